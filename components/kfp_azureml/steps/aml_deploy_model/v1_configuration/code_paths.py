"""Paths in the v1 files, which were those of another machine, as paths in the folder `code`."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from kfp_azureml.runtime.errors import DeploymentError

LONGEST = 1000


def find_in(folder: Path, path: str, where: str, *, is_folder: bool = False) -> Path:
    """Return the file or folder that a path names in a folder.

    `folder` stands for some folder of the path: `/src/score.py` is `score.py` if there is no `src/score.py` in it.

    Args:
        folder: The folder.
        path: The path, absolute or relative.
        where: The field that has it, for the message.
        is_folder: Whether it names a folder, which `folder` itself may be.

    Raises:
        DeploymentError: If there is none, or the path leads out of the folder.
    """
    shown = repr(path if len(path) <= 100 else f"{path[:100]} ...")
    parts = [part for part in PurePosixPath(path.replace("\\", "/")[:LONGEST]).parts if part not in ("/", ".")]
    if len(path) > LONGEST or ".." in parts:
        raise DeploymentError(f"{where} {shown}: must be a path in code, without '..'")
    root = folder.resolve()
    for start in range(len(parts) + is_folder):
        found = folder.joinpath(*parts[start:])
        try:
            there = found.is_dir() if is_folder else found.is_file()
        except OSError:  # a name that is too long
            there = False
        if there and not found.resolve().is_relative_to(root):
            raise DeploymentError(f"{where} {shown}: leads out of code through a link")
        if there:
            return found
    kind = "folder" if is_folder else "file"
    raise DeploymentError(f"{where} {shown}: no such {kind} in code")
