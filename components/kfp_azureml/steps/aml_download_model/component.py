"""KFP component aml_download_model."""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import Model, Output

from kfp_azureml.images import AZURE_IMAGE

DISPLAY_NAME = "Download Model from Azure ML"


@dsl.component(base_image=AZURE_IMAGE, install_kfp_package=False)
def aml_download_model(
    model: Output[Model],
    model_name: str,
    model_version: str = "",
    resource_group: str = "",
    workspace: str = "",
    subscription_id: str = "",
    timeout_seconds: int = 3600,
) -> NamedTuple("Outputs", [("name", str), ("version", str)]):  # type: ignore[valid-type]
    """Download a registered model from Azure Machine Learning and verify the hashes of its files.

    Args:
        model: Model folder; name, version, resource id, studio link and how it was verified as metadata.
        model_name: Name of the registered model.
        model_version: Version of the registered model, or @LABEL; empty selects the highest version.
        resource_group: Resource group of the workspace; empty reads the workspace's config.json.
        workspace: Name of the workspace; empty reads the workspace's config.json.
        subscription_id: Subscription of the workspace; empty takes it from the azcreds secret or config.json.
        timeout_seconds: Timeout in seconds.

    Returns:
        The model's name and version.
    """
    from pathlib import Path

    from kfp_azureml.azureml.workspace_name import WorkspaceName
    from kfp_azureml.runtime.step import run_step
    from kfp_azureml.steps.aml_download_model import download

    with run_step(download.NAME):
        downloaded = download.download(
            model_name,
            model_version,
            Path(model.path),
            workspace=WorkspaceName(resource_group, workspace, subscription_id),
            timeout_seconds=timeout_seconds,
        )
        model.metadata.update(vars(downloaded))
        return downloaded.name, downloaded.version
