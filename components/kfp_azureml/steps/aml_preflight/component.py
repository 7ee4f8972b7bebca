"""KFP component aml_preflight."""

from typing import NamedTuple

from kfp import dsl

from kfp_azureml.images import AZURE_IMAGE

DISPLAY_NAME = "Check Azure ML Workspace"


@dsl.component(base_image=AZURE_IMAGE, install_kfp_package=False)
def aml_preflight(
    resource_group: str = "",
    workspace: str = "",
    subscription_id: str = "",
    model_name: str = "",
    endpoint_name: str = "",
    data_version: str = "",
    run_id: str = "",
) -> NamedTuple("Outputs", [("data_version", str)]):  # type: ignore[valid-type]
    """Check names, credentials and workspace, so that mistakes end the run before training.

    Args:
        resource_group: Resource group of the workspace; empty reads the workspace's config.json.
        workspace: Name of the workspace; empty reads the workspace's config.json.
        subscription_id: Subscription of the workspace; empty takes it from the azcreds secret or config.json.
        model_name: Name to register the model under; empty is not checked.
        endpoint_name: Endpoint to deploy the model to; empty is not checked.
        data_version: Version of the input data; empty if unknown.
        run_id: Pipeline run; pass dsl.PIPELINE_JOB_ID_PLACEHOLDER.

    Returns:
        The version that prep is cached under: data_version, or the run's id, as the content of a URI can change.
    """
    from kfp_azureml.azureml.workspace_name import WorkspaceName
    from kfp_azureml.runtime.step import run_step
    from kfp_azureml.steps.aml_preflight import preflight

    with run_step(preflight.NAME):
        preflight.preflight(
            workspace=WorkspaceName(resource_group, workspace, subscription_id),
            model_name=model_name,
            endpoint_name=endpoint_name,
        )
        return (preflight.cache_version(data_version, run_id),)
