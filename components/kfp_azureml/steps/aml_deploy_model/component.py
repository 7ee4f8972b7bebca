"""KFP component aml_deploy_model."""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import Artifact, Input, Markdown, Output

from kfp_azureml.images import AZURE_IMAGE

DISPLAY_NAME = "Deploy Model to Azure ML"


@dsl.component(base_image=AZURE_IMAGE, install_kfp_package=False)
def aml_deploy_model(
    endpoint: Output[Artifact],
    summary: Output[Markdown],
    model_name: str,
    model_version: str,
    endpoint_name: str = "",
    deployment_name: str = "",
    instance_type: str = "",
    instance_count: int = 0,
    resource_group: str = "",
    workspace: str = "",
    subscription_id: str = "",
    compute: str = "",
    resources: dict = {},  # type: ignore[type-arg]  # noqa: B006
    strategy: str = "blue-green",
    traffic_steps: list = [],  # type: ignore[type-arg]  # noqa: B006 - kfp needs the default itself
    mirror_percent: int = 10,
    soak_seconds: int = 60,
    min_sample_accuracy: float = 1.0,
    max_error_rate: float = 0.01,
    max_latency_ms: float = 0.0,
    keep_previous: bool = True,
    scoring_script: str = "score.py",
    environment: str = "",
    conda_file: str = "",
    image: str = "",
    request_timeout_seconds: int = 0,
    max_concurrent_requests: int = 0,
    probes: dict = {},  # type: ignore[type-arg]  # noqa: B006
    autoscale: dict = {},  # type: ignore[type-arg]  # noqa: B006
    app_insights: bool = False,
    data_collector: dict = {},  # type: ignore[type-arg]  # noqa: B006
    inference_config: str = "",
    deployment_config: str = "",
    timeout_seconds: int = 3600,
    run_id: str = "",
    # Not Optional[...]: kfp's executor calls the annotation where the backend names no type, which it does not.
    score_result: Input[Artifact] = None,
    code: Input[Artifact] = None,
    request: Input[Artifact] = None,
) -> NamedTuple("Outputs", [("scoring_uri", str), ("deployment_name", str)]):  # type: ignore[valid-type]
    """Deploy a registered model to an Azure ML online endpoint, and move traffic to it step by step.

    Args:
        endpoint: Names, resource ids, scoring URI and studio link, as JSON and as metadata.
        summary: The same as Markdown, with an Azure CLI command that sends a request.
        model_name: Name of the registered model.
        model_version: Version of the registered model.
        endpoint_name: Endpoint, created if it does not exist; empty derives a name from model and workspace.
        deployment_name: Deployment; empty derives a name from model version, code and environment.
        instance_type: VM size, on Kubernetes an instance type of the cluster; empty selects Standard_DS3_v2, on
            Kubernetes the cluster's default.
        instance_count: Number of instances; 0 keeps the live deployment's number, or 1.
        resource_group: Resource group of the workspace; empty reads the workspace's config.json.
        workspace: Name of the workspace; empty reads the workspace's config.json.
        subscription_id: Subscription of the workspace; empty takes it from the azcreds secret or config.json.
        compute: Attached Kubernetes compute; empty selects a managed endpoint.
        resources: Resources of a container on Kubernetes, such as {"requests": {"cpu": "500m", "memory": "1Gi"},
            "limits": {"cpu": "1", "memory": "2Gi", "gpu": "1"}}; empty selects those of the instance type.
        strategy: Rollout strategy: all-at-once, blue-green (with soak time), canary (in steps) or mirror.
        traffic_steps: Traffic of the new deployment in percent, one value per step, ending with 100; empty selects
            [10, 50, 100] (canary) or [100] (mirror).
        mirror_percent: Share of live requests that mirror copies to the deployment, in percent, 1 to 50.
        soak_seconds: Soak time per step, in seconds.
        min_sample_accuracy: Minimum share of the sample that gets the class it was scored with, 0 to 1.
        max_error_rate: Maximum share of failed requests during soak time, 0 to 1.
        max_latency_ms: p95 latency limit in ms, one image per request; 0 disables it.
        keep_previous: Keep the deployments that lose their traffic.
        scoring_script: Entry script in code.
        environment: Existing environment for code, as name:version.
        conda_file: Conda file in code, for a new environment.
        image: Base image of the new environment, or an image to use as it is.
        request_timeout_seconds: Timeout of a scoring request in seconds, on managed endpoints up to 180; 0 selects 60.
        max_concurrent_requests: Concurrent requests per instance; 0 selects 16.
        probes: Health probes in seconds, such as {"liveness": {"initial_delay": 30, "period": 10, "timeout": 10,
            "success_threshold": 1, "failure_threshold": 60}, "readiness": {"initial_delay": 30}}.
        autoscale: Number of instances, such as {"min_instances": 1, "max_instances": 3,
            "target_utilization_percentage": 70}; empty keeps the live deployment's settings.
        app_insights: Log requests to the workspace's Application Insights.
        data_collector: What Azure ML collects, such as {"collections": ["model_inputs", "model_outputs"],
            "sampling_rate": 1.0, "rolling_rate": "hour"}; empty collects nothing.
        inference_config: The inferenceconfig.json of SDK v1 in code; parameters that are set win over it.
        deployment_config: The deploymentconfig.json of SDK v1 in code; parameters that are set win over it.
        timeout_seconds: Total timeout in seconds, including soak time.
        run_id: Pipeline run, by which aml_reconcile finds unfinished rollouts; pass dsl.PIPELINE_JOB_ID_PLACEHOLDER.
        score_result: Output of the score step, whose sample is the probe; the default is the model's own sample.
        code: Folder with an entry script; without it the suite's own serves model folders of train.
        request: JSON request to probe with instead of the sample, for code of your own or an MLflow model.

    Returns:
        The endpoint's scoring URI and the deployment's name.
    """
    from pathlib import Path

    from kfp_azureml.azureml.result_file import write_result
    from kfp_azureml.azureml.rollout.strategy import Limits, Strategy
    from kfp_azureml.azureml.workspace_name import WorkspaceName
    from kfp_azureml.runtime.step import run_step
    from kfp_azureml.steps.aml_deploy_model import deploy
    from kfp_azureml.steps.aml_deploy_model.parameters import Parameters
    from kfp_azureml.steps.aml_deploy_model.summary import format_summary
    from kfp_azureml.steps.aml_deploy_model.v1_configuration.translation import with_v1_files

    with run_step(deploy.NAME):
        given = Parameters(
            deployment_name=deployment_name,
            compute=compute,
            instance_type=instance_type,
            instance_count=instance_count,
            resources=resources,
            autoscale=autoscale,
            code=Path(code.path) if code else None,
            scoring_script=scoring_script,
            environment=environment,
            conda_file=conda_file,
            image=image,
            request_timeout_seconds=request_timeout_seconds,
            max_concurrent_requests=max_concurrent_requests,
            app_insights=app_insights,
            data_collector=data_collector,
            probes=probes,
        )
        parameters = with_v1_files(given, inference_config, deployment_config)
        limits = Limits(min_sample_accuracy, max_error_rate, max_latency_ms)
        deployed = deploy.deploy_model(
            model_name,
            model_version,
            workspace=WorkspaceName(resource_group, workspace, subscription_id),
            endpoint_name=endpoint_name,
            deployment_name=parameters.deployment_name,
            machines=parameters.machines,
            serving_settings=parameters.serving_settings,
            server=parameters.server,
            strategy=Strategy(strategy, traffic_steps, mirror_percent, soak_seconds, keep_previous, limits),
            score_result=Path(score_result.path) if score_result else None,
            request=Path(request.path) if request else None,
            timeout_seconds=timeout_seconds,
            run_id=run_id,
        )
        write_result(deployed, endpoint.path)
        endpoint.metadata.update(vars(deployed))
        Path(summary.path).write_text(format_summary(deployed))
        return deployed.scoring_uri, deployed.deployment_name
