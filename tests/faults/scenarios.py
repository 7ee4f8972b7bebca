"""The scenarios: a registration, the first deployment of an endpoint, a rollout beside a live deployment."""

from __future__ import annotations

import json
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
RUN = "run-1"
OLD, NEW = "old", "new"
REGISTER, DEPLOY = component_command("aml_register_model"), component_command("aml_deploy_model")


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


def _fail(world: World, fault: EndOperation) -> None:
    from running import run

    world.control.set_faults([fault])
    outcome = run(DEPLOY, _deploy_arguments(world))
    assert not outcome.succeeded, outcome.printed
    world.control.clear_faults()


def _live_endpoint(world: World) -> None:
    """Create an endpoint with all traffic on an old deployment and another team's tag."""
    _scored_model(world)
    endpoint = {"properties": {"authMode": "Key"}, "tags": {"owner": "shop"}, "location": "eastus"}
    url = f"{world.azure.url}/onlineEndpoints/{ENDPOINT}"
    world.azure.wait(world.azure.http.put(url, json=endpoint).raise_for_status())
    world.azure.put("environments/any/versions/1", image="any/image")
    world.azure.upload_code("any", "")
    deployment = {
        "properties": {
            "model": f"{world.azure.id}/models/{MODEL}/versions/1",
            "codeConfiguration": {"codeId": f"{world.azure.id}/codes/any/versions/1", "scoringScript": "score.py"},
            "environmentId": f"{world.azure.id}/environments/any/versions/1",
            "endpointComputeType": "Managed",
        },
        "sku": {"name": "Default", "capacity": 1},
        "location": "eastus",
    }
    world.azure.wait(world.azure.http.put(f"{url}/deployments/{OLD}", json=deployment).raise_for_status())
    endpoint["properties"]["traffic"] = {OLD: 100}  # type: ignore[index]
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


SCENARIOS = {
    "register": Scenario(REGISTER, _register_arguments, _nothing, _check_versions, moves_traffic=False),
    "first deployment": Scenario(DEPLOY, _deploy_arguments, _scored_model, _check_first),
    "roll-out": Scenario(DEPLOY, _deploy_arguments, _live_endpoint, _check_rollout),
    "endpoint that failed": Scenario(DEPLOY, _deploy_arguments, _failed_endpoint, _check_first),
    "deployment that failed": Scenario(DEPLOY, _deploy_arguments, _failed_deployment, _check_rollout),
    **databricks_scenarios(Scenario),
}
