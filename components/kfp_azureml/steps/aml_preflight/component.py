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
    instance_type: str = "",
    instance_count: int = 0,
    compute: str = "",
    strategy: str = "",
    traffic_steps: list = [],  # type: ignore[type-arg]  # noqa: B006 - kfp needs the default itself
    data_version: str = "",
    run_id: str = "",
    compare_with_live: bool = False,
    min_accuracy: float = 0.0,
    metric: str = "accuracy",
    min_metric: float = 0.0,
    min_improvement: float = 0.0,
) -> NamedTuple("Outputs", [("data_version", str), ("live_model", str)]):  # type: ignore[valid-type]
    """Check everything that a run needs in Azure, so that mistakes end the run before training.

    Args:
        resource_group: Resource group of the workspace; empty reads the workspace's config.json.
        workspace: Name of the workspace; empty reads the workspace's config.json.
        subscription_id: Subscription of the workspace; empty takes it from the azcreds secret or config.json.
        model_name: Name to register the model under; empty is not checked.
        endpoint_name: Endpoint to deploy the model to; empty derives it from model and workspace.
        instance_type: VM size to deploy to; empty selects Standard_DS3_v2. Not checked on Kubernetes.
        instance_count: Number of instances to deploy; 0 keeps the live deployment's number, or 1.
        compute: Attached Kubernetes compute to deploy to; empty selects a managed endpoint.
        strategy: Rollout strategy; empty is not checked.
        traffic_steps: Traffic of the new deployment in percent, one value per step; empty selects the strategy's own.
        data_version: Version of the input data; empty if unknown.
        run_id: Pipeline run; pass dsl.PIPELINE_JOB_ID_PLACEHOLDER.
        compare_with_live: Reject a model that is worse than the one that the endpoint serves when the run starts.
        min_accuracy: The parameter of quality_gate, to find a mistake before training.
        metric: The parameter of quality_gate, to find a mistake before training.
        min_metric: The parameter of quality_gate, to find a mistake before training.
        min_improvement: The parameter of quality_gate, to find a mistake before training.

    Returns:
        The version that prep is cached under: data_version, or the run's id, as the content of a URI can change. And
        the model version to compare with, for aml_live_model: its resource id, `none` if nothing is live, or `off`.
    """
    from kfp_azureml.azureml.checks.run_settings import RunSettings
    from kfp_azureml.azureml.workspace_name import WorkspaceName
    from kfp_azureml.models.gate_settings import GateSettings
    from kfp_azureml.models.live_model import NOT_WANTED
    from kfp_azureml.runtime.step import run_step
    from kfp_azureml.steps.aml_preflight import preflight

    with run_step(preflight.NAME):
        gate = GateSettings(min_accuracy, metric, min_metric, min_improvement)
        gate.check_decides(compare_with_live=compare_with_live)
        settings = RunSettings(
            WorkspaceName(resource_group, workspace, subscription_id),
            model_name,
            endpoint_name,
            instance_type,
            instance_count,
            compute,
            strategy,
            traffic_steps,
        )
        preflight.preflight(settings)
        live_model = preflight.find_live(settings) if compare_with_live else NOT_WANTED
        return preflight.cache_version(data_version, run_id), live_model
