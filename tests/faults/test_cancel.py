"""A step that is cancelled while it waits or watches rolls back and exits as cancelled."""

from __future__ import annotations

import os
import signal
from multiprocessing.context import ForkServerContext

import pytest

from azureml_emulator.test_control.faults import HoldOperation
from killing import start_step
from load import wait_for
from running import LONGEST_PAUSE_SECONDS
from scenarios import ENDPOINT, NEW, OLD, SCENARIOS, World

SECONDS = 120.0
CANCELLED = 130


def soaking(world: World) -> list[str]:
    """Return the rollout's arguments with a long soak time."""
    arguments = SCENARIOS["roll-out"].arguments(world)
    arguments[arguments.index("--soak-seconds") + 1] = "60"
    arguments[arguments.index("--timeout-seconds") + 1] = "300"
    return arguments


def assert_as_before(world: World) -> None:
    """Assert that the endpoint is as before the rollout."""
    endpoint = world.azure.get(f"onlineEndpoints/{ENDPOINT}")
    assert {name: share for name, share in endpoint["properties"]["traffic"].items() if share} == {OLD: 100}
    assert endpoint["tags"] == {"owner": "shop"}
    deployments = world.azure.get(f"onlineEndpoints/{ENDPOINT}/deployments")["value"]
    assert [deployment["name"] for deployment in deployments] == [OLD]


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_while_it_watches(world: World, kill_server: ForkServerContext, stop: signal.Signals) -> None:
    SCENARIOS["roll-out"].prepare(world)
    process = start_step(kill_server, "roll-out", soaking(world), world.azure.emulator.environment)
    wait_for(lambda: world.azure.get(f"onlineEndpoints/{ENDPOINT}")["properties"]["traffic"].get(NEW) == 50)
    os.kill(process.pid or 0, stop)
    process.join(SECONDS)
    assert process.exitcode == CANCELLED
    assert_as_before(world)


def test_while_a_deployment_is_made(world: World, kill_server: ForkServerContext) -> None:
    SCENARIOS["roll-out"].prepare(world)
    world.control.set_faults([HoldOperation(method="PUT", path=f"*/deployments/{NEW}")])
    process = start_step(kill_server, "roll-out", soaking(world), world.azure.emulator.environment)
    deployment = f"{world.azure.url}/onlineEndpoints/{ENDPOINT}/deployments/{NEW}"
    wait_for(lambda: world.azure.http.get(deployment).status_code == 200, pause_seconds=LONGEST_PAUSE_SECONDS)
    os.kill(process.pid or 0, signal.SIGTERM)
    process.join(SECONDS)
    assert process.exitcode == CANCELLED
    assert_as_before(world)
