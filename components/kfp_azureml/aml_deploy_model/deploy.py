"""Deploy a registered model to an Azure ML online endpoint; traffic moves when the new deployment answers rightly."""

from __future__ import annotations

import logging
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kfp_azureml.aml_deploy_model.names import check_name, derived_deployment_name, derived_endpoint_name
from kfp_azureml.aml_deploy_model.plan import INSTANCE_TYPE, SCORING_SCRIPT, Machines, Plan, choose_serving
from kfp_azureml.aml_deploy_model.questions import Scoring, question_from_file, question_from_sample
from kfp_azureml.azureml.results import write_result
from kfp_azureml.errors import DeploymentError, ModelError
from kfp_azureml.steps import report, run_step

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
    instance_count: int = 1,
    compute: str = "",
    resource_group: str = "",
    workspace: str = "",
    subscription_id: str = "",
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

    The endpoint and the deployment are made or updated; the new deployment is asked a real question; then it gets all
    the traffic, which goes back to where it was if the endpoint then stops answering. Other deployments stay.

    Args:
        model_name: The registered model.
        model_version: Its version.
        endpoint_name: The endpoint; made if there is none. Empty: a name derived from those of model and workspace.
        deployment_name: The deployment; by default derived from the model's version and all that is deployed.
        instance_type: The machines; empty: Standard_DS3_v2, on Kubernetes the cluster's default.
        instance_count: How many machines.
        compute: An attached Kubernetes compute; empty: a managed endpoint.
        resource_group: The workspace's resource group; see `azureml.workspace.workspace_client`.
        workspace: The workspace's name.
        subscription_id: Its subscription; empty: from the secret azcreds.
        code: A folder with an entry script of the user's own; by default ours, for a model folder that train wrote.
        scoring_script: The entry script in `code`.
        environment: An environment of the workspace for `code`, `name:version`.
        conda_file: Or a conda file to make one from; relative to `code`.
        image: Its base image, or an image to use as it is.
        score_result: The score step's output; its sample is what the deployment is asked, if our entry script serves.
        request: A JSON file to ask instead, for code of the user's own; any answer with status 200 will do.
        timeout_seconds: How long to wait for Azure, all in all.
        run_id: The pipeline run, kept in the deployment's properties.

    Returns:
        The live deployment.

    Raises:
        DeploymentError: If it does not come up, or answers wrongly. Traffic is then as it was; where it could not be
            put back, the message says so.
        ModelError: If there is no such model version.
        CredentialsError: If the credentials are incomplete or refused.
        WorkspaceError: If the workspace cannot be found or reached.
    """
    if endpoint_name:
        check_name(endpoint_name, "endpoint_name")
    if deployment_name:
        check_name(deployment_name, "deployment_name")
    if instance_count < 1:
        raise DeploymentError(f"instance_count {instance_count}: at least 1 is needed")
    question = question_from_file(request) if request is not None else None

    from kfp_azureml.aml_deploy_model.deployment import ensure_deployment
    from kfp_azureml.aml_deploy_model.endpoint import ensure_endpoint, scoring_key
    from kfp_azureml.aml_deploy_model.rollout import bring_live
    from kfp_azureml.azureml.waiting import Deadline
    from kfp_azureml.azureml.workspace import studio_url, workspace_client, workspace_id

    client = workspace_client(resource_group, workspace, subscription_id)
    endpoint_name = endpoint_name or derived_endpoint_name(model_name, workspace_id(client))
    model = _registered(client, model_name, model_version)
    serving = choose_serving(str(model.type), code, scoring_script, environment, conda_file, image)
    if question is None and score_result is not None:
        # What score left is a question for our own entry script; whatever else answers has its own format.
        if serving.is_ours:
            question = question_from_sample(score_result)
        else:
            logger.warning("score_result: its sample is for our own entry script only; give a request of your own")
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
    deadline = Deadline(timeout_seconds, look_at=page)

    endpoint = ensure_endpoint(client, plan, deadline)
    deployment = ensure_deployment(client, plan, endpoint, deadline)
    scoring = Scoring(str(endpoint.scoring_uri), scoring_key(client, endpoint_name))
    traffic = bring_live(client, plan, scoring, question, deadline)
    report(
        endpoint={
            "name": endpoint_name,
            "scoring_uri": scoring.uri,
            "deployment": plan.deployment,
            "traffic": traffic,
        }
    )
    return DeployedModel(
        model=plan.model,
        endpoint_name=endpoint_name,
        deployment_name=plan.deployment,
        scoring_uri=scoring.uri,
        traffic=traffic,
        endpoint_id=str(endpoint.id),
        deployment_id=str(deployment.id),
        studio_url=page,
        invoke_command=_invoke_command(client, endpoint_name),
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

    with azure_errors(f"reading model {name} version {version}"):
        try:
            model: Model = client.models.get(name, version)
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
@click.option("--instance-count", default=1, show_default=True)
@click.option("--compute", default="", help="An attached Kubernetes compute. Default: managed by Azure.")
@click.option("--resource-group", default="", help="Default: from config.json.")
@click.option("--workspace", default="", help="Default: from config.json.")
@click.option("--subscription-id", default="", help="Default: AZ_SUBSCRIPTION_ID, or from config.json.")
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
        click.echo(f"{deployed.scoring_uri}  {deployed.deployment_name}")


if __name__ == "__main__":
    main()
