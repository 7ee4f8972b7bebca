"""Every request of register, download and deploy with every fault: success or one clear error, nothing lost."""

from __future__ import annotations

import re

import pytest

from cells import LASTING_FAULTS, NEVER_ENDS, Cell, cells
from requests_of import lines, recorded
from running import Outcome, run
from scenarios import SCENARIOS, World

SAMPLE = 20  # one cell in so many without --all-cells
SPARSE_SAMPLE = 100  # of scenarios that are much like others
SPARSE = ("first deployment on Kubernetes", "roll-out on Kubernetes")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "cell" in metafunc.fixturenames:
        chosen = list(cells()) if metafunc.config.getoption("--all-cells") else sample()
        metafunc.parametrize("cell", chosen, ids=str)


def sample() -> list[Cell]:
    """Return the cells of a quick run."""
    every = list(cells())
    sparse = [cell for cell in every if cell.scenario in SPARSE]
    return [cell for cell in every if cell.scenario not in SPARSE][::SAMPLE] + sparse[::SPARSE_SAMPLE]


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_matrix_is_made_of_what_a_clean_run_asks(world: World, name: str) -> None:
    scenario = SCENARIOS[name]
    scenario.prepare(world)
    world.control.clear_requests()
    outcome = run(scenario.command, scenario.arguments(world))
    requests = world.control.requests()
    assert outcome.succeeded, outcome.printed
    scenario.check(world, True)
    # The number of scoring requests depends on time; all others are the same in each run.
    asked = {line for line in lines(requests) if not line.endswith("/score")}
    expected = {f"{one.method} {one.pattern}" for one in recorded(name)}
    assert asked == {line for line in expected if not line.endswith("/score")}


def test_cell(world: World, cell: Cell) -> None:
    scenario = SCENARIOS[cell.scenario]
    scenario.prepare(world)
    world.control.set_faults([cell.order()])
    arguments = scenario.arguments(world)
    if cell.fault == NEVER_ENDS:
        arguments += ["--timeout-seconds", "3"]
    outcome = run(scenario.command, arguments)
    hit = any(request.fault for request in world.control.requests())
    # The number of requests to a deployment depends on time.
    assert hit or cell.request.pattern.endswith("/score"), "the fault hit nothing"
    world.control.clear_faults()
    world.control.release_operations()
    lasts = cell.fault in LASTING_FAULTS or cell.fault == NEVER_ENDS
    if not lasts or "rollback failed" not in outcome.error:
        scenario.check(world, outcome.succeeded)
    assert_told_well(outcome)
    assert_no_secret(world, outcome)
    if not outcome.succeeded:
        # Whatever happened, running the step again completes it.
        again = run(scenario.command, scenario.arguments(world))
        assert again.succeeded, again.printed
        scenario.check(world, True)


def assert_told_well(outcome: Outcome) -> None:
    """Assert success, or an error in the last line without a traceback."""
    assert "Traceback" not in outcome.printed + outcome.logged
    if not outcome.succeeded:
        assert outcome.exit_code == 1
        assert re.match(r"(aml_(register|download|live|deploy)_model|databricks_\w+): \S", outcome.error), (
            outcome.printed
        )


def assert_no_secret(world: World, outcome: Outcome) -> None:
    """Assert that output and log have no client secret, token, key or signature."""
    text = outcome.printed + outcome.logged
    assert world.azure.emulator.environment["AZ_CLIENT_SECRET"] not in text
    assert not re.search(r"eyJ[\w-]{10,}\.|[?&]sig=(?!\*\*\*)|Bearer (?!\*\*\*)\w", text)
