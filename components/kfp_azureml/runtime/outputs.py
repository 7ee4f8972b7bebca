"""Write output files and folders atomically: completely or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kfp_azureml.runtime.errors import OutputError


@contextmanager
def atomic_folder(target: str | Path) -> Iterator[Path]:
    """Yield an empty folder that is renamed to `target` when the block succeeds.

    Args:
        target: The folder to create. It may exist if it is empty, since orchestrators create output folders.

    Yields:
        A temporary folder next to the target, on the same file system.

    Raises:
        OutputError: If the target exists and is not an empty folder, or cannot be written.
    """
    target = Path(target)
    with _writing(target):
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise OutputError(f"output {target} exists and is not an empty folder: remove it or choose another path")
        target.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
        try:
            part.chmod(0o755)
            yield part
            part.rename(target)
        finally:
            shutil.rmtree(part, ignore_errors=True)


@contextmanager
def atomic_file(target: str | Path) -> Iterator[Path]:
    """Yield a path that is renamed to `target` when the block succeeds.

    Args:
        target: The file to create or replace.

    Yields:
        A temporary path next to the target.

    Raises:
        OutputError: If it cannot be written.
    """
    target = Path(target)
    # Some writers choose the format by the suffix.
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
    """Yield a temporary folder inside another one, so that complete results can be renamed into place.

    Args:
        folder: The other folder, created if it does not exist.

    Yields:
        The temporary folder. It is deleted when the block ends.

    Raises:
        OutputError: If it cannot be written.
    """
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".kfp-azureml-", dir=folder) as scratch:
            yield Path(scratch)


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    """Raise `OutputError` with the target's path in place of an OSError."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error}") from error
