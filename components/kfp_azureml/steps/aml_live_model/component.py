"""KFP component aml_live_model."""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import Model, Output

from kfp_azureml.images import AZURE_IMAGE

DISPLAY_NAME = "Fetch Live Model from Azure ML"


@dsl.component(base_image=AZURE_IMAGE, install_kfp_package=False)
def aml_live_model(
    model: Output[Model],
    model_id: str,
    resource_group: str = "",
    workspace: str = "",
    subscription_id: str = "",
    timeout_seconds: int = 3600,
) -> NamedTuple("Outputs", [("name", str), ("version", str)]):  # type: ignore[valid-type]
    """Fetch the registered model version that is live, for score to compare a new model with.

    Args:
        model: Model folder, with name, version, resource id, studio link and how it was verified as metadata. If there
            is no model to compare with, a folder with only no-live-model.json, which says why.
        model_id: Output live_model of aml_preflight: the model version's resource id, `none` if nothing is live, or
            `off` if no comparison is asked for.
        resource_group: Resource group of the workspace; empty reads the workspace's config.json.
        workspace: Name of the workspace; empty reads the workspace's config.json.
        subscription_id: Subscription of the workspace; empty takes it from the azcreds secret or config.json.
        timeout_seconds: Timeout of the download in seconds.

    Returns:
        The model's name and version; empty if there is no model to compare with.
    """
    from pathlib import Path

    from kfp_azureml.azureml.workspace_name import WorkspaceName
    from kfp_azureml.runtime.step import run_step
    from kfp_azureml.steps.aml_live_model import live_model

    with run_step(live_model.NAME):
        fetched = live_model.fetch(
            Path(model.path),
            model_id,
            workspace=WorkspaceName(resource_group, workspace, subscription_id),
            timeout_seconds=timeout_seconds,
        )
        if fetched is None:
            return "", ""
        model.metadata.update(vars(fetched))
        return fetched.name, fetched.version
