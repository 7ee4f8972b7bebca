"""The Kubeflow face of aml_deploy_model."""

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
    timeout_seconds: int = 3600,
    run_id: str = "",
    # Not Optional[...]: kfp's executor calls the annotation where the backend names no type, which it does not.
    score_result: Input[Artifact] = None,
    code: Input[Artifact] = None,
    request: Input[Artifact] = None,
) -> NamedTuple("Outputs", [("scoring_uri", str), ("deployment_name", str)]):  # type: ignore[valid-type]
    """Deploy a registered model to an Azure ML online endpoint; traffic moves to it as it proves itself.

    Args:
        endpoint: Names, resource ids, scoring address and studio link, as JSON and as metadata.
        summary: The same to read, with the link to click, and a command line that asks the endpoint.
        model_name: The registered model.
        model_version: Its version.
        endpoint_name: The endpoint; made if there is none. Empty: a name derived from those of model and workspace.
        deployment_name: The deployment; empty: derived from what is deployed.
        instance_type: The machines; empty: Standard_DS3_v2, on Kubernetes the cluster's default.
        instance_count: How many machines; 0: as many as the live deployment has, else 1.
        resource_group: The workspace's resource group; empty: from the workspace's config.json.
        workspace: The workspace's name; empty: from the workspace's config.json.
        subscription_id: The workspace's subscription; empty: from the secret azcreds, or from the config.json.
        compute: An attached Kubernetes compute; empty: a managed endpoint.
        strategy: How traffic moves: all-at-once, blue-green (watched), canary (in watched steps), mirror (copies).
        traffic_steps: Its shares in percent, one after the other, for canary ([10, 50, 100]) and mirror ([100]).
        mirror_percent: The share of live requests that is copied to it first, for mirror; at most 50.
        soak_seconds: How long each step is watched.
        min_sample_accuracy: The least share of the sample to be answered as when it was scored, 0 to 1.
        max_error_rate: The largest share of requests that may fail while it is watched, 0 to 1.
        max_latency_ms: What 95 of 100 requests with one image have to be answered within; 0: no limit.
        keep_previous: Whether the deployments that lose their traffic stay.
        scoring_script: The entry script in code.
        environment: An environment of the workspace for code, as name:version.
        conda_file: Or a conda file in code to make one from.
        image: The environment's base image, or an image to use as it is.
        timeout_seconds: How long to wait for Azure and to watch, all in all.
        run_id: The pipeline run; aml_reconcile finds by it what is unfinished. Pass dsl.PIPELINE_JOB_ID_PLACEHOLDER.
        score_result: The score step's output; its sample is what our entry script is asked. Default: the model's own.
        code: A folder with an entry script of your own; without it ours serves a model folder from train.
        request: A JSON file to ask instead of the sample, for code of your own or an MLflow model.

    Returns:
        The endpoint's scoring address and the deployment's name.
    """
    from pathlib import Path

    from kfp_azureml.azureml.result_file import write_result
    from kfp_azureml.runtime.step import run_step
    from kfp_azureml.steps.aml_deploy_model import deploy
    from kfp_azureml.steps.aml_deploy_model.summary import in_words

    with run_step(deploy.NAME):
        deployed = deploy.deploy_model(
            model_name,
            model_version,
            endpoint_name,
            deployment_name=deployment_name,
            instance_type=instance_type,
            instance_count=instance_count,
            compute=compute,
            strategy=strategy,
            traffic_steps=traffic_steps,
            mirror_percent=mirror_percent,
            soak_seconds=soak_seconds,
            min_sample_accuracy=min_sample_accuracy,
            max_error_rate=max_error_rate,
            max_latency_ms=max_latency_ms,
            keep_previous=keep_previous,
            resource_group=resource_group,
            workspace=workspace,
            subscription_id=subscription_id,
            code=Path(code.path) if code else None,
            scoring_script=scoring_script,
            environment=environment,
            conda_file=Path(conda_file) if conda_file else None,
            image=image,
            score_result=Path(score_result.path) if score_result else None,
            request=Path(request.path) if request else None,
            timeout_seconds=timeout_seconds,
            run_id=run_id,
        )
        write_result(deployed, endpoint.path)
        endpoint.metadata.update(vars(deployed))
        Path(summary.path).write_text(in_words(deployed))
        return deployed.scoring_uri, deployed.deployment_name
