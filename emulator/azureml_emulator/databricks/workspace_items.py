"""Workspace items: notebooks, files and folders below /Workspace.

Their content is in the folder of this machine that stands for the workspace, where runs find it; which of the files are
notebooks, and in which language, is in the database.
"""

from __future__ import annotations

import shutil
from pathlib import Path, PurePosixPath

from azureml_emulator.databricks import notebooks
from azureml_emulator.databricks.documents import Documents
from azureml_emulator.databricks.errors import DatabricksError, already_exists, does_not_exist, invalid
from azureml_emulator.databricks.local_paths import WORKSPACE_FOLDERS, LocalPaths, workspace_path
from azureml_emulator.databricks.notebooks import Cell
from azureml_emulator.store import Document, Store

IMPORT_BYTES = 10 * 1024 * 1024
SOURCE, JUPYTER = "SOURCE", "JUPYTER"


class WorkspaceItems:
    """All items of the workspace."""

    def __init__(self, store: Store, paths: LocalPaths) -> None:
        self._notebooks = Documents(store.connection, "notebook")
        self._paths = paths

    def put(self, path: str, content: bytes, form: str, language: str | None, *, overwrite: bool) -> None:
        """Import a notebook or file.

        Args:
            path: Its path.
            content: Its content.
            form: `SOURCE`, `JUPYTER`, `AUTO` or `RAW`.
            language: The language of a `SOURCE`; None takes it from the path's suffix.
            overwrite: Whether to replace an item of the same kind.

        Raises:
            DatabricksError: 400, if it cannot be imported; 404, if there is no such folder.
        """
        if len(content) > IMPORT_BYTES:
            message = f"The size of the imported content ({len(content)} bytes) exceeds {IMPORT_BYTES} bytes."
            raise DatabricksError(400, "MAX_NOTEBOOK_SIZE_EXCEEDED", message)
        path = workspace_path(path)
        notebook = _notebook_of(path, content, form, language)
        if notebook and form == "AUTO":
            # A notebook's name has no suffix.
            path = str(PurePosixPath(path).with_suffix(""))
        local = self._paths.workspace(path)
        if not local.parent.is_dir():
            raise does_not_exist(f"The parent folder ({PurePosixPath(path).parent})")
        if local.exists():
            if local.is_dir():
                raise already_exists(f"A folder at {path}")
            if bool(self._notebooks.get(path)) != bool(notebook):
                raise DatabricksError(400, "INVALID_PARAMETER_VALUE", f"Node type mismatch: {path} is of another type.")
            if not overwrite:
                raise already_exists(f"Path ({path})")
        local.write_bytes(content)
        self._notebooks.delete(path)
        if notebook:
            self._notebooks.put(path, notebook)

    def content(self, path: str, form: str) -> tuple[bytes, str]:
        """Export an item; return its content and its file type, such as `py`.

        Raises:
            DatabricksError: 400, if it cannot be exported so; 404, if it does not exist.
        """
        path = workspace_path(path)
        local = self._existing(path)
        if local.is_dir():
            raise DatabricksError(400, "BAD_REQUEST", f"{path} is a folder; only notebooks and files are exported.")
        if not local.is_file():
            raise invalid(f"{path} is neither a notebook nor a file.")
        notebook = self._notebooks.get(path)
        if notebook is None:
            return local.read_bytes(), local.suffix.lstrip(".")
        language = notebook["language"]
        if form in ("AUTO", "RAW"):
            form = notebook["format"]
        if form == notebook["format"]:
            content = local.read_text(errors="replace")
        elif form == SOURCE:
            content = notebooks.write_source(self.cells(path), language)
        else:
            content = notebooks.write_jupyter(self.cells(path), language)
        suffixes = {name: suffix.lstrip(".") for suffix, name in notebooks.SUFFIXES.items()}
        # Half a surrogate pair can be in JSON, but not in UTF-8.
        return content.encode(errors="replace"), "ipynb" if form == JUPYTER else suffixes[language]

    def cells(self, path: str) -> list[Cell]:
        """Return the cells of a notebook.

        Raises:
            DatabricksError: 400, if it is no notebook; 404, if it does not exist.
        """
        path = workspace_path(path)
        local = self._existing(path)
        notebook = self._notebooks.get(path)
        if notebook is None:
            raise invalid(f"{path} is not a notebook.")
        text = local.read_text(errors="replace")
        return (
            notebooks.read_jupyter(text)
            if notebook["format"] == JUPYTER
            else notebooks.read_source(text, notebook["language"])
        )

    def language(self, path: str) -> str | None:
        """Return the language of a notebook; None for anything else."""
        notebook = self._notebooks.get(workspace_path(path))
        return notebook["language"] if notebook else None

    def show(self, path: str) -> Document:
        """Return an item as the API shows it.

        Raises:
            DatabricksError: 404, if it does not exist.
        """
        path = workspace_path(path)
        local = self._existing(path)
        status = local.stat()
        shown: Document = {"path": path, "object_id": status.st_ino, "resource_id": str(status.st_ino)}
        if local.is_dir():
            return {**shown, "object_type": "DIRECTORY"}
        shown |= {"created_at": int(status.st_ctime * 1000), "modified_at": int(status.st_mtime * 1000)}
        if language := self.language(path):
            return {**shown, "object_type": "NOTEBOOK", "language": language}
        return {**shown, "object_type": "FILE", "size": status.st_size}

    def list(self, path: str) -> list[Document]:
        """List the items in a folder; of another item, itself.

        Raises:
            DatabricksError: 404, if it does not exist.
        """
        path = workspace_path(path)
        local = self._existing(path)
        if not local.is_dir():
            return [self.show(path)]
        return [self.show(f"{path.rstrip('/')}/{name}") for name in (each.name for each in self._paths.entries(local))]

    def make_folders(self, path: str) -> None:
        """Create a folder and those above it.

        Raises:
            DatabricksError: 400, if there is a file in its place.
        """
        local = self._paths.workspace(path)
        try:
            local.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise already_exists(f"A notebook or file at or above {workspace_path(path)}") from None

    def delete(self, path: str, *, recursive: bool) -> None:
        """Delete an item.

        Raises:
            DatabricksError: 400, if it is a folder with items and `recursive` is not set; 404, if it does not exist.
        """
        path = workspace_path(path)
        local = self._existing(path)
        if path.strip("/") in ("", *WORKSPACE_FOLDERS):
            raise DatabricksError(400, "BAD_REQUEST", f"{path} cannot be deleted.")
        if local.is_dir():
            if any(local.iterdir()) and not recursive:
                raise DatabricksError(400, "DIRECTORY_NOT_EMPTY", f"Folder ({path}) is not empty")
            shutil.rmtree(local)
        else:
            local.unlink()
        for key in self._notebooks.items():
            if key == path or key.startswith(f"{path}/"):
                self._notebooks.delete(key)

    def clear(self) -> None:
        """Forget which items are notebooks."""
        self._notebooks.clear()

    def _existing(self, path: str) -> Path:
        local = self._paths.workspace(path)
        if not local.exists():
            raise DatabricksError(404, "RESOURCE_DOES_NOT_EXIST", f"Path ({path}) doesn't exist.")
        return local


def _notebook_of(path: str, content: bytes, form: str, language: str | None) -> Document | None:
    """Return what is kept of a notebook: its language and format; None for a file."""
    suffix = PurePosixPath(path).suffix
    if form == "RAW":
        return None
    if form == "AUTO":
        if suffix.lower() == ".ipynb":
            form = JUPYTER
        else:
            language = notebooks.language_of(content.decode(errors="replace"), suffix)
            return {"language": language, "format": SOURCE} if language else None
    if form == JUPYTER:
        try:
            notebooks.read_jupyter(content.decode())
        except ValueError as error:
            raise invalid(f"The content is not a Jupyter notebook: {error}.") from None
        return {"language": language or "PYTHON", "format": JUPYTER}
    if form != SOURCE:
        raise DatabricksError(501, "NOT_IMPLEMENTED", f"Not emulated: the import format {form}.")
    language = language or notebooks.SUFFIXES.get(suffix.lower())
    if language not in notebooks.HEADERS:
        raise invalid(f"The language of {path} is missing or unknown: set language to {', '.join(notebooks.HEADERS)}.")
    return {"language": language, "format": SOURCE}
