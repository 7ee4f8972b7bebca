"""Files: upload and delete, in Volumes, the workspace, or DBFS where the path says so."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kfp_azureml.runtime.errors import DatabricksError
from kfp_azureml.runtime.step import progress

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

UPLOAD, DELETE = "databricks_upload_file", "databricks_delete_file"

VOLUMES, WORKSPACE, DBFS = "/Volumes/", "/Workspace/", "dbfs:/"
WORKSPACE_BYTES = 7 * 1024 * 1024
"""Maximum size of a workspace file; requests to import one have at most 10 MB, in base64."""

_NEEDS = {
    VOLUMES: "WRITE VOLUME on the volume, USE SCHEMA and USE CATALOG",
    WORKSPACE: "'Can Edit' on the folder",
    DBFS: "access to the DBFS root, which is disabled in new accounts",
}


class UploadedFile(NamedTuple):
    """An uploaded file, with the names that the outputs have.

    Attributes:
        file_info_path: Its path.
        file_info_file_size: Its size in bytes.
        file_hash: sha256 of its content.
    """

    file_info_path: str
    file_info_file_size: int
    file_hash: str


def upload_file(databricks_host: str, path: str, source: Path, overwrite: bool) -> UploadedFile:
    """Upload a file; missing folders are created.

    Args:
        databricks_host: The workspace's URL; empty takes it from DATABRICKS_HOST.
        path: The path: /Volumes/CATALOG/SCHEMA/VOLUME/..., /Workspace/... or dbfs:/...
        source: The file.
        overwrite: Whether to replace a file.

    Raises:
        DatabricksError: If the path is none of these, the source is not a file, or the file exists.
        CredentialsError: If the credentials are missing or rejected.
        WorkspaceError: If the workspace cannot be reached.
    """
    place = _place(path)
    size, digest = _measured(source)
    if place == WORKSPACE and size > WORKSPACE_BYTES:
        raise DatabricksError(
            f"path {path}: {size} bytes, and a workspace file has at most {WORKSPACE_BYTES}: use a volume"
        )
    from kfp_azureml.databricks.api_errors import databricks_errors
    from kfp_azureml.databricks.retries import retrying
    from kfp_azureml.databricks.workspace import workspace_client

    client = workspace_client(databricks_host)
    what = f"uploading {path}"
    with databricks_errors(what, _NEEDS[place]):
        retrying(what, lambda: _upload(client, place, path, source, overwrite))
    progress(f"{path}: uploaded, {size} bytes")
    return UploadedFile(path, size, digest)


def delete_file(databricks_host: str, path: str) -> bool:
    """Delete a file; return whether it existed.

    Raises:
        DatabricksError: If the path is none of a volume, the workspace or dbfs:/.
        KfpAzuremlError: If it cannot be deleted.
    """
    place = _place(path)
    from kfp_azureml.databricks.deletion import deleted
    from kfp_azureml.databricks.workspace import workspace_client

    client = workspace_client(databricks_host)

    def delete() -> None:
        if place == VOLUMES:
            client.files.delete(path)
        elif place == WORKSPACE:
            client.workspace.delete(path)
        else:
            client.dbfs.get_status(_in_dbfs(path))  # DBFS deletes what does not exist without an error
            client.dbfs.delete(path)

    return deleted(path, delete, _NEEDS[place])


def _upload(client: WorkspaceClient, place: str, path: str, source: Path, overwrite: bool) -> None:
    from databricks.sdk.service.workspace import ImportFormat

    parent = path.rpartition("/")[0]
    with source.open("rb") as content:
        if place == VOLUMES:
            client.files.create_directory(parent)
            client.files.upload(path, content, overwrite=overwrite)
        elif place == WORKSPACE:
            client.workspace.mkdirs(parent)
            text = base64.b64encode(content.read()).decode()
            client.workspace.import_(path, content=text, format=ImportFormat.RAW, overwrite=overwrite)
        else:
            client.dbfs.upload(path, content, overwrite=overwrite)


def _place(path: str) -> str:
    for place in (VOLUMES, WORKSPACE, DBFS):
        if path.startswith(place) and not path.endswith("/"):
            return place
    raise DatabricksError(
        f"path {path!r}: use {VOLUMES}CATALOG/SCHEMA/VOLUME/FILE or {WORKSPACE}FOLDER/FILE (DBFS is deprecated; a file "
        f"in it begins with {DBFS})"
    )


def _in_dbfs(path: str) -> str:
    return path.removeprefix("dbfs:")


def _measured(source: Path) -> tuple[int, str]:
    try:
        with source.open("rb") as content:
            return source.stat().st_size, hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise DatabricksError(f"{source}: cannot be read ({error.strerror}): give the artifact of one file") from error
