"""Workspace items, such as notebooks: import and delete."""

from __future__ import annotations

import base64
import hashlib
from typing import NamedTuple

from kfp_azureml.runtime.errors import DatabricksError
from kfp_azureml.runtime.step import progress

IMPORT, DELETE = "databricks_import_workspace_item", "databricks_delete_workspace_item"

_NEEDS = "'Can Edit' on the folder"


class ImportedItem(NamedTuple):
    """An imported item, with the names that the outputs have.

    Attributes:
        object_hash: sha256 of its content.
        object_language: Its language; empty for a file.
        object_type: NOTEBOOK, FILE, DIRECTORY or LIBRARY.
        object_path: Its path.
    """

    object_hash: str
    object_language: str
    object_type: str
    object_path: str


def import_workspace_item(
    databricks_host: str, path: str, content: bytes, *, language: str, file_format: str, overwrite: bool
) -> ImportedItem:
    """Import a notebook, file or folder into the workspace; its parent folder is created.

    Args:
        databricks_host: The workspace's URL; empty takes it from DATABRICKS_HOST.
        path: The absolute path.
        content: The content.
        language: PYTHON, SCALA, SQL or R, for the format SOURCE.
        file_format: SOURCE, JUPYTER, HTML, DBC, R_MARKDOWN, RAW or AUTO.
        overwrite: Whether to replace an item; not possible with DBC.

    Raises:
        DatabricksError: If a field is invalid, or the item exists and is not to be replaced.
        CredentialsError: If the credentials are missing or rejected.
        WorkspaceError: If the workspace cannot be reached.
    """
    check_path(path)

    from databricks.sdk.service.workspace import ImportFormat, Language

    from kfp_azureml.databricks.api_errors import databricks_errors
    from kfp_azureml.databricks.fields import choice
    from kfp_azureml.databricks.retries import retrying
    from kfp_azureml.databricks.workspace import workspace_client

    kind = choice(ImportFormat, file_format, "file_format")
    written_in = choice(Language, language, "language") if language else None
    if kind is ImportFormat.SOURCE and written_in is None:
        raise DatabricksError("language: missing: file_format SOURCE needs PYTHON, SCALA, SQL or R")
    client = workspace_client(databricks_host)
    parent = path.rpartition("/")[0]
    what = f"importing {path}"

    def import_item() -> None:
        if parent:
            client.workspace.mkdirs(parent)
        client.workspace.import_(
            path, content=base64.b64encode(content).decode(), format=kind, language=written_in, overwrite=overwrite
        )

    with databricks_errors(what, _NEEDS):
        retrying(what, import_item)
        found = retrying(what, lambda: client.workspace.get_status(path))
    progress(f"{path}: imported, {len(content)} bytes")
    return ImportedItem(
        hashlib.sha256(content).hexdigest(),
        found.language.value if found.language else "",
        found.object_type.value if found.object_type else "",
        found.path or path,
    )


def delete_workspace_item(databricks_host: str, path: str, recursive: bool) -> bool:
    """Delete an item of the workspace; return whether it existed.

    Raises:
        DatabricksError: If the path is not absolute, or a folder is not empty and `recursive` is not set.
        KfpAzuremlError: If it cannot be deleted.
    """
    check_path(path)
    from kfp_azureml.databricks.deletion import deleted
    from kfp_azureml.databricks.workspace import workspace_client

    client = workspace_client(databricks_host)
    return deleted(path, lambda: client.workspace.delete(path, recursive=recursive), "'Can Manage' on it")


def check_path(path: str) -> None:
    """Raise a DatabricksError unless a path is absolute and names something below the root."""
    if not path.startswith("/") or not path.strip("/"):
        raise DatabricksError(f"path {path!r}: use an absolute path, such as /Workspace/Shared/prepare")
