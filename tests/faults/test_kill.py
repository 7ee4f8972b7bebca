"""A step killed at any response and run again: one version, one deployment, the requested traffic."""

from __future__ import annotations

from multiprocessing.context import ForkServerContext

import pytest

from killing import run_and_kill
from requests_of import recorded
from running import run
from scenarios import SCENARIOS, World

SAMPLE = 24  # one moment in so many without --all-cells


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "name" in metafunc.fixturenames:
        every = 1 if metafunc.config.getoption("--all-cells") else SAMPLE
        moments = [
            (name, number) for name in SCENARIOS for number in range(1, len(recorded(name)) + 1) if number % every == 0
        ]
        metafunc.parametrize(("name", "after_answers"), moments, ids=[f"{name} | {n}" for name, n in moments])


def test_killed(world: World, kill_server: ForkServerContext, name: str, after_answers: int) -> None:
    scenario = SCENARIOS[name]
    scenario.prepare(world)
    environment = dict(world.azure.emulator.environment)
    killed = run_and_kill(kill_server, name, scenario.arguments(world), environment, after_answers)
    # The number of requests to a deployment depends on time, so the last points may not be reached.
    assert killed or after_answers > len(recorded(name)) - 8
    again = run(scenario.command, scenario.arguments(world))
    assert again.succeeded, again.printed
    scenario.check(world, True)


@pytest.mark.parametrize("after_answers", [20, 35, 45, 55])
def test_killed_and_reconciled(world: World, kill_server: ForkServerContext, after_answers: int) -> None:
    """Assert that the leftovers of a dead run are found by its id and cleaned up."""
    from kfp_azureml.steps.aml_reconcile.command import reconcile_command
    from scenarios import ENDPOINT, OLD, RUN

    scenario = SCENARIOS["roll-out"]
    scenario.prepare(world)
    environment = dict(world.azure.emulator.environment)
    assert run_and_kill(kill_server, "roll-out", scenario.arguments(world), environment, after_answers)
    outcome = run(reconcile_command, ["--run-id", RUN, *world.workspace])
    assert outcome.succeeded, outcome.printed
    endpoint = world.azure.get(f"onlineEndpoints/{ENDPOINT}")
    assert endpoint["properties"]["traffic"] == {OLD: 100}
    assert endpoint["tags"] == {"owner": "shop"}
    deployments = world.azure.get(f"onlineEndpoints/{ENDPOINT}/deployments")["value"]
    assert [deployment["name"] for deployment in deployments] == [OLD]
