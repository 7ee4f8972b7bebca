"""The scenarios: register, download, first deployments, and rollouts beside a live deployment."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from azureml_emulator.test_control.client import Control
from azureml_emulator.test_control.faults import EndOperation
from azureml_rest import Workspace
from databricks_scenarios import databricks_scenarios
from kfp_azureml.azureml.rollout.marker import TAG_PREFIX
from kfp_azureml.steps.command import component_command

MODEL, ENDPOINT = "tiny", "tiny-endpoint"
CLUSTER = "k8s"
RUN = "run-1"
OLD, NEW = "old", "new"
REGISTER, DEPLOY = component_command("aml_register_model"), component_command("aml_deploy_model")
DOWNLOAD, LIVE_MODEL = component_command("aml_download_model"), component_command("aml_live_model")


@dataclass(frozen=True)
class World:
    """What all scenarios share.

    Attributes:
        control: Client of the emulator's control API.
        azure: Client of its REST API.
        model: A model folder.
        score: The model's score result.
    """

    control: Control
    azure: Workspace
    model: Path
    score: Path

    @property
    def outputs(self) -> Path:
        """The folder for the step's output artifacts."""
        return self.model.parent / "outputs"

    @property
    def workspace(self) -> list[str]:
        """Options for the workspace."""
        emulator = self.azure.emulator
        return ["--resource-group", emulator.resource_group, "--workspace", emulator.workspace]


@dataclass(frozen=True)
class Scenario:
    """One step from a known initial state.

    Attributes:
        command: The step's command.
        arguments: Its arguments.
        prepare: Creates the initial state in a fresh workspace.
        check: Asserts the final state, after success or failure.
        moves_traffic: Whether it uses endpoints, with long-running operations.
    """

    command: Any
    arguments: Callable[[World], list[str]]
    prepare: Callable[[World], None]
    check: Callable[[World, bool], None]
    moves_traffic: bool = field(default=True)


def _nothing(_world: World) -> None:
    pass


def _register_arguments(world: World) -> list[str]:
    options = {"--model": world.model, "--model-name": MODEL, "--score-result": world.score, "--run-id": RUN}
    outputs = ["--outputs", str(world.outputs)]
    return [str(word) for option in options.items() for word in option] + outputs + world.workspace


def _check_versions(world: World, succeeded: bool) -> None:
    answer = world.azure.http.get(f"{world.azure.url}/models/{MODEL}/versions")
    versions = [model["name"] for model in answer.json()["value"]] if answer.status_code == 200 else []
    assert versions in ([["1"]] if succeeded else [[], ["1"]]), versions


def _download_arguments(world: World) -> list[str]:
    return ["--model-name", MODEL, "--timeout-seconds", "60", "--outputs", str(world.outputs), *world.workspace]


def _live_model_arguments(world: World) -> list[str]:
    model_id = f"{world.azure.id}/models/{MODEL}/versions/1"
    return ["--model-id", model_id, "--timeout-seconds", "60", "--outputs", str(world.outputs), *world.workspace]


def _model_to_download(world: World) -> None:
    shutil.rmtree(world.outputs, ignore_errors=True)
    _scored_model(world)


def _check_download(world: World, succeeded: bool) -> None:
    """Assert that the folder is there with every file, or is not there."""
    target = world.outputs / "model"
    there = {path.name: path.read_bytes() for path in target.iterdir()} if target.exists() else {}
    files = [*world.model.iterdir(), world.score / "sample.json"]
    assert there in ([] if succeeded else [{}]) + [{path.name: path.read_bytes() for path in files}]
    if succeeded:
        assert not [path for path in world.outputs.iterdir() if path.name.startswith(".")]


def _deploy_arguments(world: World) -> list[str]:
    return [
        *("--model-name", MODEL, "--model-version", "1", "--endpoint-name", ENDPOINT, "--deployment-name", NEW),
        *("--strategy", "canary", "--traffic-steps", "[50, 100]", "--soak-seconds", "1", "--no-keep-previous"),
        *("--run-id", RUN, "--timeout-seconds", "60", "--outputs", str(world.outputs)),
        *world.workspace,
    ]


def registered_model(azure: Workspace, *files: Path) -> None:
    """Register a model with these files without the SDK."""
    store = azure.get("datastores/workspaceblobstore")["properties"]
    signature = azure.sign_blobs()
    container = f"https://{store['accountName']}.blob.core.windows.net/{store['containerName']}"
    for path in files:
        azure.http.put(
            f"{container}/models/tiny/{path.name}?{signature}",
            content=path.read_bytes(),
            headers={"x-ms-blob-type": "BlockBlob", "authorization": ""},
        ).raise_for_status()
    uri = "azureml://datastores/workspaceblobstore/paths/models/tiny"
    azure.put(f"models/{MODEL}/versions/1", modelUri=uri, modelType="custom_model")


def _scored_model(world: World) -> None:
    registered_model(world.azure, *world.model.iterdir(), world.score / "sample.json")


def _failed_endpoint(world: World) -> None:
    """Create the state after the endpoint's creation failed in the same step."""
    _scored_model(world)
    _fail(world, EndOperation(method="PUT", path=f"*/onlineEndpoints/{ENDPOINT}", code="SubscriptionNotRegistered"))


def _failed_deployment(world: World) -> None:
    """Create the state after the deployment's first provisioning failed in the same step."""
    _live_endpoint(world)
    _fail(world, EndOperation(method="PUT", path=f"*/deployments/{NEW}", code="ResourceNotReady"))


def _settings_arguments(world: World) -> list[str]:
    return [
        *_deploy_arguments(world),
        *("--request-timeout-seconds", "30", "--autoscale", '{"min_instances": 2, "max_instances": 3}'),
        *("--data-collector", '{"collections": ["request"]}'),
    ]


def _live_with_defaults(world: World) -> None:
    """Create a live deployment with the default settings."""
    from running import run

    _scored_model(world)
    outcome = run(DEPLOY, _deploy_arguments(world))
    assert outcome.succeeded, outcome.printed


def _fail(world: World, fault: EndOperation) -> None:
    from running import run

    world.control.set_faults([fault])
    outcome = run(DEPLOY, _deploy_arguments(world))
    assert not outcome.succeeded, outcome.printed
    world.control.clear_faults()


def _cluster_arguments(world: World) -> list[str]:
    return [*_deploy_arguments(world), "--compute", CLUSTER]


def _live_on_cluster(world: World) -> None:
    """Create the same as `_live_endpoint` on the attached Kubernetes cluster."""
    _live_endpoint(world, f"{world.azure.id}/computes/{CLUSTER}")


def _live_endpoint(world: World, compute: str | None = None) -> None:
    """Create an endpoint with all traffic on an old deployment and another team's tag."""
    _scored_model(world)
    endpoint: dict[str, Any] = {
        "properties": {"authMode": "Key", "compute": compute},
        "tags": {"owner": "shop"},
        "location": "eastus",
    }
    url = f"{world.azure.url}/onlineEndpoints/{ENDPOINT}"
    world.azure.wait(world.azure.http.put(url, json=endpoint).raise_for_status())
    world.azure.put("environments/any/versions/1", image="any/image")
    world.azure.upload_code("any", "")
    deployment = {
        "properties": {
            "model": f"{world.azure.id}/models/{MODEL}/versions/1",
            "codeConfiguration": {"codeId": f"{world.azure.id}/codes/any/versions/1", "scoringScript": "score.py"},
            "environmentId": f"{world.azure.id}/environments/any/versions/1",
            "endpointComputeType": "Kubernetes" if compute else "Managed",
        },
        "sku": {"name": "Default", "capacity": 1},
        "location": "eastus",
    }
    world.azure.wait(world.azure.http.put(f"{url}/deployments/{OLD}", json=deployment).raise_for_status())
    endpoint["properties"]["traffic"] = {OLD: 100}
    world.azure.wait(world.azure.http.put(url, json=endpoint).raise_for_status())


def _state(world: World) -> tuple[dict[str, Any] | None, set[str]]:
    """Return the endpoint and the names of its deployments."""
    url = f"{world.azure.url}/onlineEndpoints/{ENDPOINT}"
    answer = world.azure.http.get(url)
    if answer.status_code == 404:
        return None, set()
    names = {deployment["name"] for deployment in world.azure.http.get(f"{url}/deployments").json()["value"]}
    return answer.json(), names


def _traffic(endpoint: dict[str, Any]) -> dict[str, int]:
    return {name: share for name, share in endpoint["properties"]["traffic"].items() if share}


def _is_marked(endpoint: dict[str, Any]) -> bool:
    return any(tag.startswith(TAG_PREFIX) for tag in endpoint["tags"])


def _check_first(world: World, succeeded: bool) -> None:
    endpoint, deployments = _state(world)
    if succeeded:
        assert endpoint
        assert (_traffic(endpoint), deployments, _is_marked(endpoint)) == ({NEW: 100}, {NEW}, False)
    elif endpoint:
        assert deployments <= {NEW}
        assert _traffic(endpoint) in ({}, {NEW: 100})


def _check_rollout(world: World, succeeded: bool) -> None:
    endpoint, deployments = _state(world)
    assert endpoint
    assert endpoint["tags"]["owner"] == "shop"
    if succeeded:
        assert (_traffic(endpoint), deployments, _is_marked(endpoint)) == ({NEW: 100}, {NEW}, False)
    else:
        # As before, or as requested; never in between.
        assert _traffic(endpoint) in ({OLD: 100}, {NEW: 100}), json.dumps(endpoint["properties"]["traffic"])
        assert _traffic(endpoint).keys() <= deployments <= {OLD, NEW}


def _check_settings(world: World, succeeded: bool) -> None:
    endpoint, deployments = _state(world)
    assert endpoint
    assert (_traffic(endpoint), deployments) == ({NEW: 100}, {NEW})
    if not succeeded:
        return
    deployment = world.azure.get(f"onlineEndpoints/{ENDPOINT}/deployments/{NEW}")
    properties = deployment["properties"]
    assert properties["requestSettings"]["requestTimeout"] == "PT30S"
    assert list(properties["dataCollector"]["collections"]) == ["request"]
    group = world.azure.id.split("/providers/")[0]
    url = f"https://management.azure.com{group}/providers/Microsoft.Insights/autoscalesettings?api-version=2022-10-01"
    settings = world.azure.http.get(url).json()["value"]
    assert [one["properties"]["targetResourceUri"] for one in settings] == [deployment["id"]]


SCENARIOS = {
    "register": Scenario(REGISTER, _register_arguments, _nothing, _check_versions, moves_traffic=False),
    "download": Scenario(DOWNLOAD, _download_arguments, _model_to_download, _check_download, moves_traffic=False),
    "live model": Scenario(LIVE_MODEL, _live_model_arguments, _model_to_download, _check_download, moves_traffic=False),
    "first deployment": Scenario(DEPLOY, _deploy_arguments, _scored_model, _check_first),
    "roll-out": Scenario(DEPLOY, _deploy_arguments, _live_endpoint, _check_rollout),
    "first deployment on Kubernetes": Scenario(DEPLOY, _cluster_arguments, _scored_model, _check_first),
    "roll-out on Kubernetes": Scenario(DEPLOY, _cluster_arguments, _live_on_cluster, _check_rollout),
    "endpoint that failed": Scenario(DEPLOY, _deploy_arguments, _failed_endpoint, _check_first),
    "deployment that failed": Scenario(DEPLOY, _deploy_arguments, _failed_deployment, _check_rollout),
    "other settings": Scenario(DEPLOY, _settings_arguments, _live_with_defaults, _check_settings),
    **databricks_scenarios(Scenario),
}
