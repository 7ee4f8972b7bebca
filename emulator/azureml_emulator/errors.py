"""What can go wrong for the person who starts the emulator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class EmulatorError(Exception):
    """The emulator cannot start or cannot be found; the message is one line that says why and what to do."""


@contextmanager
def report_os_errors(path: Path) -> Iterator[None]:
    """Turn what the system says about a file or folder that cannot be made inside the block into one line.

    Args:
        path: The file or folder.

    Raises:
        EmulatorError: In place of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise EmulatorError(f"{path} cannot be written: {error.strerror}") from error
