"""Deploy a registered model to an Azure ML online endpoint; traffic moves to it as it proves itself."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kfp_azureml.azureml.names import ENDPOINT, check_name, derived_deployment_name, derived_endpoint_name
from kfp_azureml.azureml.results import write_result
from kfp_azureml.azureml.rollout.desired_state import (
    INSTANCE_TYPE,
    SCORING_SCRIPT,
    Machines,
    Plan,
    Serving,
    choose_serving,
)
from kfp_azureml.azureml.rollout.probe import Question, question_from_file, question_from_sample, read_sample
from kfp_azureml.azureml.rollout.strategy import (
    DEFAULT_STRATEGY,
    MIRROR_PERCENT,
    SOAK_SECONDS,
    STRATEGIES,
    Limits,
    Strategy,
    choose_strategy,
)
from kfp_azureml.models.model_folder import SAMPLE_FILE
from kfp_azureml.runtime.errors import DeploymentError, ModelError
from kfp_azureml.runtime.step import report, run_step
from kfp_azureml.runtime.terminal import say

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Model

NAME = "aml_deploy_model"
TIMEOUT_SECONDS = 3600

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DeployedModel:
    """A live deployment.

    Attributes:
        model: The model version, `name:version`.
        endpoint_name: The endpoint.
        deployment_name: The deployment.
        scoring_uri: The endpoint's address for requests.
        traffic: The endpoint's traffic, percentages by deployment.
        endpoint_id: The endpoint's Azure resource id.
        deployment_id: The deployment's.
        studio_url: The endpoint's page in Azure ML studio.
        invoke_command: A command line of the Azure CLI that asks the endpoint what is in `request.json`.
    """

    model: str
    endpoint_name: str
    deployment_name: str
    scoring_uri: str
    traffic: dict[str, int]
    endpoint_id: str
    deployment_id: str
    studio_url: str
    invoke_command: str


def deploy_model(
    model_name: str,
    model_version: str,
    endpoint_name: str = "",
    *,
    deployment_name: str = "",
    instance_type: str = "",
    instance_count: int = 0,
    compute: str = "",
    resource_group: str = "",
    workspace: str = "",
    subscription_id: str = "",
    strategy: str = DEFAULT_STRATEGY,
    traffic_steps: Sequence[int] = (),
    mirror_percent: int = MIRROR_PERCENT,
    soak_seconds: float = SOAK_SECONDS,
    min_sample_accuracy: float = 1.0,
    max_error_rate: float = 0.01,
    max_latency_ms: float = 0.0,
    keep_previous: bool = True,
    code: Path | None = None,
    scoring_script: str = SCORING_SCRIPT,
    environment: str = "",
    conda_file: Path | None = None,
    image: str = "",
    score_result: Path | None = None,
    request: Path | None = None,
    timeout_seconds: float = TIMEOUT_SECONDS,
    run_id: str = "",
) -> DeployedModel:
    """Bring a registered model live, or find that it already is.

    The endpoint and the deployment are made or updated; the new deployment is asked real questions; then it gets the
    traffic, as the strategy says, which goes back to where it was if a limit is exceeded. What the endpoint has else,
    other deployments among it, stays.

    Args:
        model_name: The registered model.
        model_version: Its version.
        endpoint_name: The endpoint; made if there is none. Empty: a name derived from those of model and workspace.
        deployment_name: The deployment; by default derived from the model's version and all that is deployed.
        instance_type: The machines; empty: Standard_DS3_v2, on Kubernetes the cluster's default.
        instance_count: How many machines; 0: as many as the live deployment has now, else one.
        compute: An attached Kubernetes compute; empty: a managed endpoint.
        resource_group: The workspace's resource group; see `azureml.workspace.workspace_client`.
        workspace: The workspace's name.
        subscription_id: Its subscription; empty: from the secret azcreds.
        strategy: all-at-once, blue-green, canary or mirror; see `strategy.choose_strategy`.
        traffic_steps: The shares in percent that the deployment gets one after the other, for canary and mirror.
        mirror_percent: The share of live requests that is copied to it first, for mirror.
        soak_seconds: How long it is watched at each step.
        min_sample_accuracy: The least share of the sample's images, 0 to 1, to be answered as when they were scored.
        max_error_rate: The largest share of requests, 0 to 1, that may fail while it is watched.
        max_latency_ms: What 95 of 100 requests with one image have to be answered within; 0: no limit. Refused, as an
            accuracy other than the default is, where there is no sample and no request.
        keep_previous: Whether the deployments that lose their traffic stay, ready to take it back.
        code: A folder with an entry script of the user's own; by default ours, for a model folder that train wrote.
        scoring_script: The entry script in `code`.
        environment: An environment of the workspace for `code`, `name:version`.
        conda_file: Or a conda file to make one from; relative to `code`.
        image: Its base image, or an image to use as it is.
        score_result: The score step's output; its sample is what the deployment is asked, if our entry script serves.
            By default the sample that was registered with the model.
        request: A JSON file to ask instead, for code of the user's own; any answer with status 200 will do.
        timeout_seconds: How long to wait for Azure and to watch, all in all.
        run_id: The pipeline run, kept on what is made; `reconcile` finds by it what was left unfinished.

    Returns:
        The live deployment.

    Raises:
        DeploymentError: If it does not come up, or exceeds a limit. Traffic is then as it was; where it could not be
            put back, the message says so.
        CancelledError: If somebody stops the step; what it began is then undone, or listed.
        ModelError: If there is no such model version.
        CredentialsError: If the credentials are incomplete or refused.
        WorkspaceError: If the workspace cannot be found or reached.
    """
    if endpoint_name:
        check_name(ENDPOINT, endpoint_name, "endpoint_name")
    if deployment_name:
        check_name(ENDPOINT, deployment_name, "deployment_name")
    if instance_count < 0:
        raise DeploymentError(f"instance_count {instance_count}: at least 1 is needed, or 0 for as many as now")
    chosen = choose_strategy(
        strategy,
        steps=traffic_steps,
        mirror_percent=mirror_percent,
        soak_seconds=soak_seconds,
        keep_previous=keep_previous,
        limits=Limits(min_sample_accuracy, max_error_rate, max_latency_ms),
        on_kubernetes=bool(compute),
    )
    if chosen.watched_seconds and chosen.watched_seconds >= timeout_seconds:
        raise DeploymentError(
            f"soak_seconds {soak_seconds:g}: {chosen.watched_seconds:g} s of watching do not fit into "
            f"timeout_seconds={timeout_seconds:g}"
        )
    question = question_from_file(request) if request is not None else None

    from kfp_azureml.azureml.rollout.go_live import go_live
    from kfp_azureml.azureml.waiting import Deadline
    from kfp_azureml.azureml.workspace import studio_url, workspace_client, workspace_id

    client = workspace_client(resource_group, workspace, subscription_id)
    endpoint_name = endpoint_name or derived_endpoint_name(model_name, workspace_id(client))
    model = _registered(client, model_name, model_version)
    serving = choose_serving(str(model.type), code, scoring_script, environment, conda_file, image)
    if question is None:
        question = _sample_question(client, model, serving, score_result, min_sample_accuracy)
    if question is None:
        _check_unasked(chosen, serving, bool(compute))
    fingerprint = serving.fingerprint(str(model.id))
    plan = Plan(
        endpoint=endpoint_name,
        deployment=deployment_name or derived_deployment_name(model_version, fingerprint),
        model_id=str(model.id),
        model=f"{model_name}:{model_version}",
        serving=serving,
        machines=Machines(compute, instance_type, instance_count),
        fingerprint=fingerprint,
        run_id=run_id,
    )
    page = studio_url(client, f"endpoints/realtime/{endpoint_name}/detail")
    live = go_live(client, plan, chosen, question, Deadline(timeout_seconds, look_at=page))
    report(
        endpoint={
            "name": endpoint_name,
            "scoring_uri": live.scoring_uri,
            "deployment": plan.deployment,
            "traffic": live.traffic,
        }
    )
    return DeployedModel(
        model=plan.model,
        endpoint_name=endpoint_name,
        deployment_name=plan.deployment,
        scoring_uri=live.scoring_uri,
        traffic=live.traffic,
        endpoint_id=live.endpoint_id,
        deployment_id=live.deployment_id,
        studio_url=page,
        invoke_command=_invoke_command(client, endpoint_name),
    )


def _sample_question(
    client: MLClient, model: Model, serving: Serving, score_result: Path | None, min_accuracy: float
) -> Question | None:
    """Return what our own entry script is asked: the sample that score left, or the one that travels with the model.

    Whatever else answers has a format of its own.
    """
    if not serving.is_ours:
        if score_result is not None:
            logger.warning("score_result: its sample is for our own entry script only; give a request of your own")
        return None
    if score_result is not None:
        return question_from_sample(read_sample(score_result), min_accuracy)

    from kfp_azureml.azureml.blobs import read_asset_file
    from kfp_azureml.azureml.failures import azure_errors

    with azure_errors(f"reading the sample of model {model.name} version {model.version}"):
        content = read_asset_file(client, str(model.path), SAMPLE_FILE)
    return question_from_sample(content, min_accuracy) if content else None


def _check_unasked(strategy: Strategy, serving: Serving, on_kubernetes: bool) -> None:
    """Refuse limits that only answers can be held to where nothing is asked; say what is then left to watch."""
    needed = "give score_result or request" if serving.is_ours else "give a request"
    limits = strategy.limits
    # The defaults are nobody's demand, and an accuracy of 0 is none at all.
    for name, is_set in (
        ("max_latency_ms", limits.max_latency_ms > 0),
        ("min_sample_accuracy", limits.min_sample_accuracy not in (0, Limits.min_sample_accuracy)),
    ):
        if is_set:
            raise DeploymentError(
                f"{name} {getattr(limits, name):g}: there is neither a sample nor a request to ask the deployment, so "
                f"this limit would not be held: {needed}, or leave {name} out"
            )
    if strategy.watched_seconds:
        watched = "nothing is watched" if on_kubernetes else "only Azure Monitor's request metrics are watched"
        logger.warning(
            "strategy %s: there is neither a sample nor a request to ask the deployment, so %s: %s",
            strategy.name,
            watched,
            needed,
        )


def _invoke_command(client: MLClient, endpoint_name: str) -> str:
    options = {
        "name": endpoint_name,
        "subscription": client.subscription_id,
        "resource-group": client.resource_group_name,
        "workspace-name": client.workspace_name,
        "request-file": "request.json",
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return shlex.join(["az", "ml", "online-endpoint", "invoke", *words])


def _registered(client: MLClient, name: str, version: str) -> Model:
    from azure.core.exceptions import ResourceNotFoundError

    from kfp_azureml.azureml.failures import azure_errors
    from kfp_azureml.azureml.retries import retrying

    what = f"reading model {name} version {version}"
    with azure_errors(what):
        try:
            model: Model = retrying(what, lambda: client.models.get(name, version))
        except ResourceNotFoundError:
            raise ModelError(
                f"model {name} version {version}: not registered in workspace {client.workspace_name}"
            ) from None
    return model


_Path = click.Path(path_type=Path)


@click.command(help=__doc__)
@click.argument("model_name")
@click.argument("model_version")
@click.argument("endpoint_name", default="")
@click.option("--deployment-name", default="", help="Default: derived from what is deployed.")
@click.option("--instance-type", default="", help=f"Default: {INSTANCE_TYPE}, on Kubernetes the cluster's own.")
@click.option("--instance-count", default=0, help="Default: as many as the live deployment has, else 1.")
@click.option("--compute", default="", help="An attached Kubernetes compute. Default: managed by Azure.")
@click.option("--resource-group", default="", help="Default: from config.json.")
@click.option("--workspace", default="", help="Default: from config.json.")
@click.option("--subscription-id", default="", help="Default: AZ_SUBSCRIPTION_ID, or from config.json.")
@click.option("--strategy", default=DEFAULT_STRATEGY, type=click.Choice(STRATEGIES), show_default=True)
@click.option("--traffic-step", "traffic_steps", multiple=True, type=int, help="Percent; once a step, the last 100.")
@click.option("--mirror-percent", default=MIRROR_PERCENT, show_default=True)
@click.option("--soak-seconds", default=SOAK_SECONDS, show_default=True, help="How long each step is watched.")
@click.option("--min-sample-accuracy", default=1.0, show_default=True)
@click.option("--max-error-rate", default=0.01, show_default=True)
@click.option("--max-latency-ms", default=0.0, help="Of 95 in 100 requests with one image. Default: no limit.")
@click.option("--keep-previous/--delete-previous", default=True, show_default=True)
@click.option("--code", type=_Path, help="A folder with an entry script of your own.")
@click.option("--scoring-script", default=SCORING_SCRIPT, show_default=True)
@click.option("--environment", default="", help="NAME:VERSION of an environment, for --code.")
@click.option("--conda-file", type=_Path, help="Or a conda file, relative to --code.")
@click.option("--image", default="", help="Base image, or an image as it is.")
@click.option("--score-result", type=_Path, help="The score step's output folder.")
@click.option("--request", type=_Path, help="A JSON file to ask the deployment, with --code.")
@click.option("--timeout-seconds", default=float(TIMEOUT_SECONDS), show_default=True)
@click.option("--run-id", default="")
@click.option("--output", type=_Path, help="Where to write names, ids and links as JSON.")
def main(output: Path | None, **arguments: object) -> None:
    """Run the step from the shell; the options are `deploy_model`'s arguments."""
    with run_step(NAME):
        deployed = deploy_model(**arguments)  # type: ignore[arg-type]
        if output:
            write_result(deployed, output)
        say(f"{deployed.scoring_uri}  {deployed.deployment_name}")


if __name__ == "__main__":
    main()
