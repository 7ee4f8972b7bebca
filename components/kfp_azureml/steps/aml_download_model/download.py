"""Download a registered model from Azure Machine Learning."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kfp_azureml.azureml.names import MODEL, check_name
from kfp_azureml.azureml.workspace_name import WorkspaceName
from kfp_azureml.runtime.step import report

if TYPE_CHECKING:
    from kfp_azureml.azureml.model_download.download_model import DownloadedModel

NAME = "aml_download_model"


def download(
    model_name: str, model_version: str, folder: Path, *, workspace: WorkspaceName, timeout_seconds: float
) -> DownloadedModel:
    """Download a registered model; the component has the arguments.

    Raises:
        InvalidNameError: If the name or version is invalid.
        ModelError: If the model does not exist, cannot be read in time, or differs from its hashes.
        OutputError: If the folder cannot be written.
        CredentialsError: If the credentials are incomplete or rejected.
        WorkspaceError: If the workspace cannot be found or reached.
    """
    check_name(MODEL, model_name, "model_name")

    from kfp_azureml.azureml.model_download.download_model import download_model
    from kfp_azureml.azureml.workspace import workspace_client

    client = workspace_client(*workspace)
    downloaded = download_model(client, model_name, model_version, folder, timeout_seconds=timeout_seconds)
    report(model={"name": downloaded.name, "version": downloaded.version, "id": downloaded.id})
    return downloaded
