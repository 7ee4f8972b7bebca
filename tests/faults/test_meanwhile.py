"""Changes by other clients to an endpoint during a rollout."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from azureml_emulator.test_control.faults import Answer
from azureml_rest import signed_in_workspace
from load import wait_for
from running import Outcome, run
from scenarios import ENDPOINT, NEW, SCENARIOS, World

ROLL_OUT = SCENARIOS["roll-out"]


def roll_out(world: World, meanwhile: Callable[[World], None]) -> Outcome:
    """Run a rollout and act once the new deployment has half of the traffic."""
    ROLL_OUT.prepare(world)
    arguments = ROLL_OUT.arguments(world)
    arguments[arguments.index("--soak-seconds") + 1] = "3"

    def interfere() -> None:
        with signed_in_workspace(world.azure.emulator) as azure:
            path = f"onlineEndpoints/{ENDPOINT}"
            wait_for(lambda: azure.get(path)["properties"]["traffic"].get(NEW) == 50)
            meanwhile(World(world.control, azure, world.model, world.score))

    with ThreadPoolExecutor(1) as pool:
        interfering = pool.submit(interfere)
        outcome = run(ROLL_OUT.command, arguments)
        interfering.result()
    return outcome


def test_keys_are_regenerated(world: World) -> None:
    def regenerate(world: World) -> None:
        for key in ("Primary", "Secondary"):
            path = f"{world.azure.url}/onlineEndpoints/{ENDPOINT}/regenerateKeys"
            world.azure.wait(world.azure.http.post(path, json={"keyType": key}).raise_for_status())

    outcome = roll_out(world, regenerate)
    assert outcome.succeeded, outcome.printed
    assert "key rejected, it may have been regenerated" in outcome.logged
    ROLL_OUT.check(world, True)


def test_the_endpoint_is_deleted(world: World) -> None:
    outcome = roll_out(world, lambda world: world.azure.http.delete(f"{world.azure.url}/onlineEndpoints/{ENDPOINT}"))
    assert outcome.exit_code == 1
    assert outcome.error == (
        f"aml_deploy_model: endpoint {ENDPOINT} was deleted during the rollout of {NEW}: run the step again to "
        "create it"
    )


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_autoscale_settings_are_not_for_this_identity(world: World, method: str) -> None:
    ROLL_OUT.prepare(world)
    endpoint = f"{world.azure.id}/onlineEndpoints/{ENDPOINT}"
    group = world.azure.id.split("/providers/")[0]
    setting = f"https://management.azure.com{group}/providers/Microsoft.Insights/autoscalesettings"
    profile = {"name": "any", "capacity": {"minimum": "1", "maximum": "2", "default": "1"}, "rules": []}
    properties = {"targetResourceUri": f"{endpoint}/deployments/old", "enabled": True, "profiles": [profile]}
    body = {"location": "eastus", "properties": properties}
    world.azure.http.put(f"{setting}/by-hand?api-version=2022-10-01", json=body).raise_for_status()
    world.control.set_faults([Answer(method=method, path="*/autoscalesettings*", status=403, times=None)])
    outcome = run(ROLL_OUT.command, ROLL_OUT.arguments(world))
    assert outcome.succeeded, outcome.printed
    done = {"GET": "read", "PUT": "written"}[method]
    assert f"deployment {NEW}: autoscale settings of old not copied, they cannot be {done}" in outcome.logged
    ROLL_OUT.check(world, True)
