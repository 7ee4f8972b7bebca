"""List the files of a folder to upload, following symbolic links as azure-ai-ml does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kfp_azureml.runtime.errors import ModelError


def files_below(folder: str | Path) -> dict[str, Path]:
    """Return all files below a folder by relative POSIX path, sorted; empty if the folder does not exist.

    Links to files and folders are followed. `Path.rglob` skips linked folders and broken links, so files would be
    missing from a model without an error.

    Raises:
        ModelError: If a link is broken or points to one of its parents, if an entry is neither a file nor a folder, if
            a name is not UTF-8, or if a folder cannot be read.
    """
    root = Path(folder)
    if not root.is_dir():
        return {}
    found = {path.relative_to(root): path for path in _walk(root, frozenset())}
    return {relative.as_posix(): found[relative] for relative in sorted(found)}


def _walk(folder: Path, above: frozenset[Path]) -> Iterator[Path]:
    try:
        real = folder.resolve(strict=True)
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise ModelError(f"{folder}: cannot be read ({error.strerror})") from error
    if real in above:
        raise ModelError(f"{folder}: link to {folder.readlink()}, one of its parent folders: remove it")
    for path in entries:
        try:
            path.name.encode()
        except UnicodeEncodeError:
            raise ModelError(f"{folder}: file name {path.name!a} is not UTF-8: rename it") from None
        if path.is_dir():
            yield from _walk(path, above | {real})
        elif path.is_file():
            yield path
        elif path.is_symlink():
            raise ModelError(f"{path}: broken link to {path.readlink()}: fix or remove it")
        else:
            raise ModelError(f"{path}: neither a file nor a folder: remove it")
