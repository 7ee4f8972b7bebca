"""Fetch the model version that is live, or say that there is none to compare with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kfp_azureml.azureml.workspace_name import WorkspaceName
from kfp_azureml.models.live_model import NONE_LIVE, NOT_WANTED, write_absence
from kfp_azureml.runtime.outputs import atomic_folder
from kfp_azureml.runtime.step import progress

if TYPE_CHECKING:
    from kfp_azureml.azureml.model_download.download_model import DownloadedModel

NAME = "aml_live_model"


class _NoModelError(Exception):
    """There is no model to compare with; the message says why, and is empty if no comparison is asked for."""


def fetch(folder: Path, model_id: str, *, workspace: WorkspaceName, timeout_seconds: float) -> DownloadedModel | None:
    """Fetch the live model; the component has the arguments.

    Returns:
        The model; None if there is none to compare with, and the folder says why.

    Raises:
        ModelError: If the model cannot be read in time, or differs from its hashes.
        OutputError: If the folder cannot be written.
        CredentialsError: If the credentials are incomplete or rejected.
        WorkspaceError: If the workspace cannot be found or reached.
    """
    try:
        found = _download(folder, model_id, workspace, timeout_seconds)
    except _NoModelError as absence:
        with atomic_folder(folder) as part:
            write_absence(part, str(absence))
        progress(
            f"no model to compare with: {absence}" if str(absence) else "no comparison with a live model is asked for"
        )
        return None
    progress(f"live model {found.name}:{found.version} fetched; {found.verified}")
    return found


def _download(folder: Path, model_id: str, workspace: WorkspaceName, timeout_seconds: float) -> DownloadedModel:
    if model_id == NOT_WANTED:
        raise _NoModelError
    if model_id == NONE_LIVE:
        raise _NoModelError("no model is live")

    from kfp_azureml.azureml.model_download.download_model import download_model
    from kfp_azureml.azureml.model_download.find_version import NotRegisteredError
    from kfp_azureml.azureml.rollout.live_model import registered_version
    from kfp_azureml.azureml.workspace import workspace_client, workspace_id

    client = workspace_client(*workspace)
    version = registered_version(model_id, workspace_id(client))
    if version is None:
        raise _NoModelError(
            f"the endpoint serves {model_id}, which is not a registered model of workspace {client.workspace_name}"
        )
    try:
        return download_model(client, *version, folder, timeout_seconds=timeout_seconds)
    except NotRegisteredError as error:
        raise _NoModelError(f"{error}, although it is live") from error
