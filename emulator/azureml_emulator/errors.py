"""Errors for the person who starts the emulator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class EmulatorError(Exception):
    """The emulator cannot start or be found; the message is one line."""


@contextmanager
def report_os_errors(path: Path) -> Iterator[None]:
    """Turn an OSError in the block into an EmulatorError that names the path."""
    try:
        yield
    except OSError as error:
        raise EmulatorError(f"{path} cannot be written: {error.strerror}") from error
