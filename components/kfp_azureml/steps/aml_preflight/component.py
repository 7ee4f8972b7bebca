"""The Kubeflow face of aml_preflight."""

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
) -> str:
    """Check names, sign in to Azure and read the workspace, so that a mistake ends the run before it costs anything.

    Args:
        resource_group: The workspace's resource group; empty: from the workspace's config.json.
        workspace: The workspace's name; empty: from the workspace's config.json.
        subscription_id: The workspace's subscription; empty: from the secret azcreds, or from the config.json.
        model_name: The name to register the model under; empty: not checked.
        endpoint_name: The endpoint to deploy it to; empty: not checked.
        data_version: The user's name for the state of the input data, or nothing.
        run_id: The pipeline run's id; pass dsl.PIPELINE_JOB_ID_PLACEHOLDER.

    Returns:
        What prep is cached under: data_version, else the run's id, since the content of a URI can change.
    """
    from kfp_azureml.runtime.step import run_step
    from kfp_azureml.steps.aml_preflight import preflight

    with run_step(preflight.NAME):
        preflight.preflight(
            resource_group,
            workspace,
            subscription_id=subscription_id,
            model_name=model_name,
            endpoint_name=endpoint_name,
        )
        return preflight.cache_version(data_version, run_id)
