"""Writing results so that they are there as a whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kfp_azureml.runtime.errors import OutputError


@contextmanager
def whole_folder(target: str | Path) -> Iterator[Path]:
    """Yield an empty folder to write into; it becomes `target` only when the block ends without an error.

    Args:
        target: The folder to make. It may exist when it is empty (orchestrators make their output folders).

    Yields:
        A temporary folder beside the target, on the same file system.

    Raises:
        OutputError: If the target exists and is not an empty folder, or cannot be written.
    """
    target = Path(target)
    with _writing(target):
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise OutputError(f"output {target} exists and is not an empty folder: remove it or name another")
        target.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
        try:
            part.chmod(0o755)
            yield part
            part.rename(target)
        finally:
            shutil.rmtree(part, ignore_errors=True)


@contextmanager
def whole_file(target: str | Path) -> Iterator[Path]:
    """Yield a path to write to; it becomes the file `target` only when the block ends without an error.

    Args:
        target: The file to make or replace.

    Yields:
        A temporary path beside the target.

    Raises:
        OutputError: If it cannot be written.
    """
    target = Path(target)
    # The suffix stays, since some writers go by it.
    part = target.with_name(f".{target.stem}.part{target.suffix}")
    with _writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield part
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def scratch_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder in another, on the same file system: what is whole in it is renamed to its place.

    Args:
        folder: The other one; made if needed.

    Yields:
        The temporary folder; it is removed with what is left in it.

    Raises:
        OutputError: If it cannot be written.
    """
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".kfp-azureml-", dir=folder) as scratch:
            yield Path(scratch)


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    """Say which result is missing when the disk is full, the folder read-only, and so on."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error}") from error
