"""The files of a folder that goes to Azure ML, with its links followed as azure-ai-ml follows them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kfp_azureml.runtime.errors import ModelError


def files_below(folder: str | Path) -> dict[str, Path]:
    """Return every file below a folder, by relative POSIX path, sorted; none if there is no such folder.

    A link to a file is that file, a link to a folder has that folder's files, wherever it leads. `Path.rglob` passes
    over linked folders and over links that lead nowhere, so that a model would lack files and nobody would know.

    Raises:
        ModelError: If a link leads nowhere or back to a folder that it is in, if something is neither file nor folder,
            if a name is not UTF-8 or if a folder cannot be read.
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
        raise ModelError(f"{folder}: a link to {folder.readlink()}, a folder that it is in: remove it")
    for path in entries:
        try:
            path.name.encode()
        except UnicodeEncodeError:
            raise ModelError(f"{folder}: the name of {path.name!a} in it is not UTF-8: rename it") from None
        if path.is_dir():
            yield from _walk(path, above | {real})
        elif path.is_file():
            yield path
        elif path.is_symlink():
            raise ModelError(f"{path}: a link to {path.readlink()}, which is not there: mend or remove it")
        else:
            raise ModelError(f"{path}: neither a file nor a folder: remove it")
