"""Databricks' paths and the folder of this machine that holds what they name.

Volumes, the workspace and DBFS are the folders `Volumes`, `Workspace` and `dbfs` of one root, so a Databricks path and
its local one differ only in the root in front.
"""

from __future__ import annotations

import posixpath
import re
import shutil
from pathlib import Path

from azureml_emulator.databricks.errors import DatabricksError, invalid

TREES = ("Volumes", "Workspace", "dbfs")
# As a value or as an option's, in `--data=/Volumes/...`.
VALUE = re.compile(r"(--?[\w-]+=)?((?:file:)?/(?:Volumes|Workspace|dbfs)/.*|dbfs:/.*)", re.DOTALL)
WORKSPACE_FOLDERS = ("Shared", "Users", "Repos")
"""What a new workspace has."""
VOLUME_DEPTH = 4
"""A volume is /Volumes/<catalog>/<schema>/<volume>."""


class LocalPaths:
    """Maps Databricks' paths to local ones and back.

    Attributes:
        root: The folder of the three trees.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.create()

    def create(self) -> None:
        """Create the folders that exist from the start."""
        for tree in TREES:
            (self.root / tree).mkdir(parents=True, exist_ok=True)
        for name in WORKSPACE_FOLDERS:
            (self.root / "Workspace" / name).mkdir(exist_ok=True)

    def clear(self) -> None:
        """Remove everything but the folders that exist from the start."""
        for tree in TREES:
            shutil.rmtree(self.root / tree, ignore_errors=True)
        self.create()

    def volume(self, path: str) -> Path:
        """Return the local path of something in a volume or in the workspace.

        Raises:
            DatabricksError: 400, if it names neither.
        """
        clean = _clean(path)
        if clean.startswith("/Volumes/") and clean.count("/") >= VOLUME_DEPTH:
            return self._below("Volumes", clean.removeprefix("/Volumes"))
        if clean.startswith("/Workspace/"):
            return self._below("Workspace", clean.removeprefix("/Workspace"))
        raise invalid(f"Invalid path: {path}: it must be in /Volumes/<catalog>/<schema>/<volume>/ or /Workspace/.")

    def workspace(self, path: str) -> Path:
        """Return the local path of a workspace item; `/Workspace` in front is optional.

        Raises:
            DatabricksError: 400, if it is not absolute.
        """
        return self._below("Workspace", workspace_path(path))

    def dbfs(self, path: str) -> Path:
        """Return the local path of something in DBFS, where volumes are, too; `dbfs:` in front is optional.

        Raises:
            DatabricksError: 400, if it is not absolute.
        """
        clean = _clean(path.removeprefix("dbfs:"))
        if clean.startswith("/Volumes/"):
            return self.volume(clean)
        return self._below("dbfs", clean)

    def value(self, text: str) -> str:
        """Replace a Databricks path that a value begins with by the local one; return other values as they are."""
        match = VALUE.fullmatch(text)
        if match is None:
            return text
        option, path = match[1] or "", match[2].removeprefix("file:")
        if path.startswith("dbfs:/"):
            path = path.removeprefix("dbfs:")
            path = path if path.startswith("/Volumes/") else f"/dbfs{path}"
        return f"{option}{self.root}{path}"

    def task_file(self, path: str) -> Path:
        """Return the local path of a task's file, wherever it is.

        Raises:
            DatabricksError: 400, if the path is in none of the trees.
        """
        if path.startswith("dbfs:"):
            return self.dbfs(path)
        if path.startswith("/dbfs/"):
            return self.dbfs(path.removeprefix("/dbfs"))
        return self.volume(path) if path.startswith("/Volumes/") else self.workspace(path)

    def entries(self, folder: Path) -> list[Path]:
        """List what is in a folder, without links that lead nowhere or out of the trees."""
        root = self.root.resolve()
        return sorted(each for each in folder.iterdir() if each.exists() and each.resolve().is_relative_to(root))

    def hide(self, text: str) -> str:
        """Replace local paths in a text by Databricks' ones."""
        return text.replace(f"{self.root}/", "/")

    def _below(self, tree: str, path: str) -> Path:
        local = self.root / tree / path.lstrip("/")
        # A link that a run made could lead out of the tree.
        if not local.resolve().is_relative_to((self.root / tree).resolve()):
            raise invalid(f"Invalid path: {path}: it leads out of /{tree}.")
        return local


def workspace_path(path: str) -> str:
    """Return a workspace path as the API shows it: without `/Workspace` in front.

    Raises:
        DatabricksError: 400, if it is not absolute.
    """
    clean = _clean(path)
    return (
        clean.removeprefix("/Workspace") or "/" if clean == "/Workspace" or clean.startswith("/Workspace/") else clean
    )


def _clean(path: str) -> str:
    """Normalize an absolute path.

    Raises:
        DatabricksError: 400, if it is not absolute, has `..`, or can be no file's.
    """
    if not path.startswith("/"):
        raise _bad(path, "it must be absolute")
    if ".." in path.split("/"):
        raise _bad(path, "it must not contain '..'")
    if "\0" in path or any(len(part.encode()) > 255 for part in path.split("/")) or len(path.encode()) > 3000:
        raise _bad(path, "it is too long or has a null character")
    return posixpath.normpath(f"/{path.lstrip('/')}")


def _bad(path: str, reason: str) -> DatabricksError:
    return invalid(f"Invalid path: {path[:200]!r}: {reason}.")
