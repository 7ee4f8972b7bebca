"""Rollouts under load on real inference servers: no request fails or reaches a deployment without traffic."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from azureml_emulator import EmulatorInfo, running_emulator
from azureml_emulator.test_control.client import Control
from azureml_rest import SCORING_PACKAGE, Workspace, conda_file, signed_in_workspace
from killing import start_step
from load import Load
from running import Outcome, run, shorten_waits
from scenarios import DEPLOY, MODEL, registered_model

ENDPOINT = "busy"
ANSWER = 'return {"fine": True}'
SLOW = "time.sleep(0.6 if next(count) > 12 else 0)\n    return {}"
FAILING = "if next(count) > 12:\n        raise RuntimeError('no luck any more')\n    return {}"


@pytest.fixture(scope="module")
def serving_emulator() -> Iterator[EmulatorInfo]:
    with running_emulator(arguments=["--control"]) as info, pytest.MonkeyPatch.context() as patch:
        for name, value in info.environment.items():
            patch.setenv(name, value)
        shorten_waits(patch)
        yield info


@pytest.fixture
def azure(serving_emulator: EmulatorInfo) -> Iterator[Workspace]:
    with Control(serving_emulator) as control, signed_in_workspace(serving_emulator) as workspace:
        control.reset()
        workspace.http.headers["authorization"] = f"Bearer {workspace.sign_in().json()['access_token']}"
        registered_model(workspace, Path(__file__))
        yield workspace


def arguments(azure: Workspace, folder: Path, name: str, body: str, *options: str) -> list[str]:
    """Return the arguments of a deploy step with its own code."""
    code = folder / name
    code.mkdir()
    (code / "score.py").write_text(
        f"import itertools, time\n\ncount = itertools.count()\n\n\ndef init(): pass\n\n\ndef run(data):\n    {body}\n"
    )
    (code / "conda.yaml").write_text(conda_file(SCORING_PACKAGE))
    (folder / "request.json").write_text('{"x": 1}')
    return [
        *("--model-name", MODEL, "--model-version", "1", "--endpoint-name", ENDPOINT, "--deployment-name", name),
        *("--code", str(code), "--conda-file", "conda.yaml", "--outputs", str(folder / "outputs")),
        *("--request", str(folder / "request.json"), "--run-id", f"run-{name}", "--timeout-seconds", "300"),
        *("--resource-group", azure.emulator.resource_group, "--workspace", azure.emulator.workspace),
        *options,
    ]


def deploy_first(azure: Workspace, folder: Path) -> None:
    outcome = run(DEPLOY, arguments(azure, folder, "old", ANSWER))
    assert outcome.succeeded, outcome.printed


def assert_unharmed(load: Load, expected: set[str]) -> None:
    sys.stdout.write(f"\n{load.requests} requests, {len(load.failures)} failed, answered by {load.answers}\n")
    assert load.failures == []
    assert load.strangers == []
    assert set(load.answers) == expected
    assert load.requests > 30


def traffic(azure: Workspace) -> dict[str, int]:
    return {
        name: share
        for name, share in azure.get(f"onlineEndpoints/{ENDPOINT}")["properties"]["traffic"].items()
        if share
    }


@pytest.mark.parametrize(
    "options",
    [
        ("--strategy", "blue-green", "--soak-seconds", "2"),
        ("--strategy", "canary", "--soak-seconds", "2", "--no-keep-previous"),
        ("--strategy", "mirror", "--mirror-percent", "50", "--soak-seconds", "2"),
    ],
    ids=lambda options: options[1],
)
def test_a_roll_out_fails_nobody(azure: Workspace, tmp_path: Path, options: tuple[str, ...]) -> None:
    deploy_first(azure, tmp_path)
    with Load(azure.emulator, ENDPOINT) as load:
        outcome = run(DEPLOY, arguments(azure, tmp_path, "new", ANSWER, *options))
    assert outcome.succeeded, outcome.printed
    assert traffic(azure) == {"new": 100}
    assert_unharmed(load, {"old", "new"})


def test_a_slow_deployment_loses_its_traffic_again_and_nobody_an_answer(azure: Workspace, tmp_path: Path) -> None:
    deploy_first(azure, tmp_path)
    options = ("--strategy", "canary", "--soak-seconds", "20", "--max-latency-ms", "300")
    with Load(azure.emulator, ENDPOINT) as load:
        # Fast enough for the smoke test.
        slow = SLOW.replace("12", "30")
        outcome = run(DEPLOY, arguments(azure, tmp_path, "new", slow, *options))
    assert_failed(outcome, "max_latency_ms=300")
    assert traffic(azure) == {"old": 100}
    assert_unharmed(load, {"old", "new"})


def test_copies_of_requests_may_fail_without_anybody_noticing(azure: Workspace, tmp_path: Path) -> None:
    deploy_first(azure, tmp_path)
    options = ("--strategy", "mirror", "--mirror-percent", "50", "--soak-seconds", "20")
    with Load(azure.emulator, ENDPOINT) as load:
        outcome = run(DEPLOY, arguments(azure, tmp_path, "new", FAILING, *options))
    assert_failed(outcome, "requests failed")
    assert "no luck any more" in outcome.logged
    endpoint = azure.get(f"onlineEndpoints/{ENDPOINT}")["properties"]
    assert (traffic(azure), endpoint["mirrorTraffic"]) == ({"old": 100}, {})
    assert_unharmed(load, {"old"})


def test_killed_in_the_middle_and_run_again(azure: Workspace, tmp_path: Path, kill_server: ForkServerContext) -> None:
    deploy_first(azure, tmp_path)
    step = arguments(azure, tmp_path, "new", ANSWER, "--strategy", "canary", "--soak-seconds", "3")
    with Load(azure.emulator, ENDPOINT) as load:
        process = start_step(kill_server, "roll-out", step, azure.emulator.environment)
        load.wait_for_share("new", 50)
        process.kill()
        process.join()
        outcome = run(DEPLOY, step)
    assert outcome.succeeded, outcome.printed
    assert "continuing an interrupted rollout at old 50 %, new 50 %" in outcome.logged
    assert traffic(azure) == {"new": 100}
    assert_unharmed(load, {"old", "new"})


def assert_failed(outcome: Outcome, why: str) -> None:
    assert outcome.exit_code == 1
    assert why in outcome.error
    assert "the traffic is as before: old 100 %" in outcome.error
