"""Deploy a registered model to an Azure ML online endpoint."""

from __future__ import annotations

import logging
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kfp_azureml.azureml.names import ENDPOINT, check_name, derived_deployment_name, derived_endpoint_name
from kfp_azureml.azureml.rollout.desired_state import DesiredState, Machines, Serving, ServingSettings
from kfp_azureml.azureml.rollout.probe import Probe, probe_from_example, probe_from_file, probe_from_sample, read_sample
from kfp_azureml.azureml.rollout.server_settings import ServerSettings
from kfp_azureml.azureml.rollout.strategy import Strategy
from kfp_azureml.azureml.workspace_name import WorkspaceName
from kfp_azureml.models.model_folder import MLFLOW_EXAMPLE, SAMPLE_FILE
from kfp_azureml.runtime.errors import DeploymentError, ModelError
from kfp_azureml.runtime.step import report

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Model

NAME = "aml_deploy_model"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DeployedModel:
    """A live deployment.

    Attributes:
        model: The model version, `name:version`.
        endpoint_name: The endpoint.
        deployment_name: The deployment.
        scoring_uri: The endpoint's scoring URI.
        traffic: The endpoint's traffic, percentages by deployment.
        endpoint_id: The endpoint's Azure resource id.
        deployment_id: The deployment's Azure resource id.
        studio_url: The endpoint's page in Azure ML studio.
        invoke_command: Azure CLI command that sends `request.json` to the endpoint.
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
    *,
    workspace: WorkspaceName,
    endpoint_name: str,
    deployment_name: str,
    machines: Machines,
    serving_settings: ServingSettings,
    server: ServerSettings,
    strategy: Strategy,
    score_result: Path | None,
    request: Path | None,
    timeout_seconds: float,
    run_id: str,
) -> DeployedModel:
    """Bring a registered model live, unless it already is; the component has the arguments.

    The endpoint and the deployment are created or updated, the deployment is probed, and traffic moves to it as the
    strategy says. Traffic is rolled back if a limit is exceeded. Everything else on the endpoint stays as it is.

    Raises:
        DeploymentError: If the deployment does not come up or exceeds a limit. Traffic is then as before; if rolling
            back failed, the message says so.
        CancelledError: If the step is stopped; the rollout is then cleaned up, or the message says how to.
        ModelError: If there is no such model version.
        InvalidNameError: If Azure ML does not accept a name.
        CredentialsError: If the credentials are incomplete or rejected.
        WorkspaceError: If the workspace cannot be found or reached.
    """
    for name, value in (("endpoint_name", endpoint_name), ("deployment_name", deployment_name)):
        if value:
            check_name(ENDPOINT, value, name)
    if strategy.mirrored and machines.compute:
        raise DeploymentError("strategy mirror: Azure mirrors traffic on managed endpoints only: set another strategy")
    if strategy.watched_seconds and strategy.watched_seconds >= timeout_seconds:
        raise DeploymentError(
            f"soak_seconds {strategy.soak_seconds:g}: soak time of {strategy.watched_seconds:g} s in all does not fit "
            f"into timeout_seconds={timeout_seconds:g}"
        )
    probe = probe_from_file(request) if request is not None else None

    from kfp_azureml.azureml.rollout.go_live import go_live
    from kfp_azureml.azureml.rollout.rollout import Rollout
    from kfp_azureml.azureml.socks_proxy import check_socks_proxy
    from kfp_azureml.azureml.waiting import Deadline
    from kfp_azureml.azureml.workspace import studio_url, workspace_client, workspace_id

    check_socks_proxy(with_httpx=True)  # the probes use httpx
    client = workspace_client(*workspace)
    endpoint_name = endpoint_name or derived_endpoint_name(model_name, workspace_id(client))
    model = _registered(client, model_name, model_version)
    serving = serving_settings.serving(str(model.type))
    if probe is None:
        probe = _sample_probe(client, model, serving, score_result, strategy.limits.min_sample_accuracy)
    if probe is None:
        _check_without_probe(strategy, serving, bool(machines.compute))
    fingerprint = serving.fingerprint(str(model.id))
    desired = DesiredState(
        endpoint=endpoint_name,
        deployment=deployment_name or derived_deployment_name(model_version, fingerprint),
        model_id=str(model.id),
        model=f"{model_name}:{model_version}",
        serving=serving,
        machines=machines,
        fingerprint=fingerprint,
        run_id=run_id,
        server=server,
    )
    page = studio_url(client, f"endpoints/realtime/{endpoint_name}/detail")
    live = go_live(Rollout(client, desired, strategy, Deadline(timeout_seconds, look_at=page)), probe)
    report(
        endpoint={
            "name": endpoint_name,
            "scoring_uri": live.scoring_uri,
            "deployment": desired.deployment,
            "traffic": live.traffic,
            "takes_sample": model.type == "custom_model",
        }
    )
    return DeployedModel(
        model=desired.model,
        endpoint_name=endpoint_name,
        deployment_name=desired.deployment,
        scoring_uri=live.scoring_uri,
        traffic=live.traffic,
        endpoint_id=live.endpoint_id,
        deployment_id=live.deployment_id,
        studio_url=page,
        invoke_command=_invoke_command(client, endpoint_name),
    )


def _sample_probe(
    client: MLClient, model: Model, serving: Serving, score_result: Path | None, min_accuracy: float
) -> Probe | None:
    """Return a probe of score's sample, or of the one registered with the model; None if there is neither.

    The format of the sample is that of the suite's entry script. An MLflow model has its own example instead.
    """
    if not serving.is_ours:
        example = _model_file(client, model, MLFLOW_EXAMPLE) if model.type == "mlflow_model" else None
        probe = probe_from_example(example) if example else None
        if score_result is not None and probe is None:
            logger.warning("score_result: its sample fits the suite's entry script only: set request")
        return probe
    if score_result is not None:
        return probe_from_sample(read_sample(score_result), min_accuracy)
    content = _model_file(client, model, SAMPLE_FILE)
    return probe_from_sample(content, min_accuracy) if content else None


def _model_file(client: MLClient, model: Model, name: str) -> bytes | None:
    from kfp_azureml.azureml.azure_errors import azure_errors
    from kfp_azureml.azureml.blobs import read_asset_file

    with azure_errors(f"reading {name} of model {model.name} version {model.version}"):
        return read_asset_file(client, str(model.path), name)


def _check_without_probe(strategy: Strategy, serving: Serving, on_kubernetes: bool) -> None:
    """Refuse limits that need a probe; warn which metrics are left to watch."""
    needed = "set score_result or request" if serving.is_ours else "set request"
    limits = strategy.limits
    # The default accuracy of 1 was not requested by the user, and 0 is no limit.
    requested = {"max_latency_ms": limits.max_latency_ms > 0, "min_sample_accuracy": 0 < limits.min_sample_accuracy < 1}
    for name, is_requested in requested.items():
        if is_requested:
            raise DeploymentError(
                f"{name} {getattr(limits, name):g}: cannot be checked, there is no sample and no request to probe the "
                f"deployment with: {needed}, or leave {name} out"
            )
    if strategy.watched_seconds:
        logger.warning(
            "strategy %s: no sample and no request to probe the deployment with, so %s: %s",
            strategy.name,
            "nothing is watched" if on_kubernetes else "only Azure Monitor's request metrics are watched",
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

    from kfp_azureml.azureml.azure_errors import azure_errors
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
