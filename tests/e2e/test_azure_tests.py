"""`make test-azure` against a local Azure ML: consent, cleanup after every way out, and the traffic."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import command
from azure.ai.ml.entities import Environment, Model

import makefile
from azure_leftovers import leftovers, remove_all
from azure_place import Run
from azureml_emulator import EmulatorInfo
from azureml_traffic import read
from kfp_azureml.azureml_pipelines import connect
from terminal import CTRL_C, on_a_terminal

ROOT = Path(__file__).parents[2]
DAY = ROOT / "tests" / "azure" / "day.py"
SECONDS = 900


@pytest.fixture(scope="module")
def client(azure: EmulatorInfo) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in azure.environment.items():
            patch.setenv(name, value)
        yield connect(azure.resource_group, azure.workspace)


@dataclass(frozen=True)
class Day:
    """A workspace that a run takes for a real one.

    Attributes:
        azure: The local Azure ML.
        folder: Where the traffic goes.
        prefix: The run's prefix.
    """

    azure: EmulatorInfo
    folder: Path
    prefix: str

    def environment(self, **more: str) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("AZ_", "AZURE_"))}
        return {
            **ours,
            **self.azure.environment,
            "PYTHONPATH": f"{ROOT / 'tests' / 'support'}:{ROOT / 'emulator' / 'tests' / 'support'}",
            "AZURE_TEST_RESOURCE_GROUP": self.azure.resource_group,
            "AZURE_TEST_WORKSPACE": self.azure.workspace,
            "AZURE_TEST_REGISTRY": "kfp-azureml",
            "AZURE_TEST_HOURLY_PRICE": "0.5",
            "AZURE_TEST_RECORDINGS": str(self.folder),
            "AZURE_TEST_PREFIX": self.prefix,
            **more,
        }

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, DAY, *arguments],
            cwd=ROOT,
            env=self.environment(**more),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    @contextmanager
    def running(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Start it in a session of its own, where SIGINT is not ignored."""
        process = subprocess.Popen(
            [sys.executable, DAY, *arguments],
            cwd=ROOT,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=(self.folder / "out").open("w"),
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def said(self) -> str:
        return (self.folder / "out").read_text()


@pytest.fixture
def day(azure: EmulatorInfo, tmp_path: Path) -> Day:
    return Day(azure, tmp_path, f"kfpaz{os.urandom(4).hex()}")


def left(client: Any, prefix: str) -> list[str]:
    return sorted(each.label for each in leftovers(client) if each.run.prefix == prefix)


def wait_until(is_so: Callable[[], object], process: subprocess.Popen[str], day: Day) -> None:
    until = time.monotonic() + SECONDS
    while not is_so():
        assert process.poll() is None, day.said()
        assert time.monotonic() < until, day.said()
        time.sleep(0.2)


def has_model(client: Any, day: Day) -> bool:
    return f"model {day.prefix}-registered" in left(client, day.prefix)


def is_deploying(client: Any, day: Day) -> bool:
    name = f"{day.prefix}-endpoint"
    endpoints = {endpoint.name for endpoint in client.online_endpoints.list()}
    return name in endpoints and bool(list(client.online_deployments.list(name)))


def test_every_level_passes_on_a_local_azure_ml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_TEST_RECORDINGS", str(tmp_path))
    done = makefile.run("test-azure", "EMULATOR=1", "LEVEL=endpoint", seconds=SECONDS)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "Costs nothing" in done.stdout
    assert re.findall(r"removing (\w+) ", done.stdout).count("component") >= 8
    assert {"job", "endpoint", "model", "data", "environment"} <= set(re.findall(r"removing (\w+) ", done.stdout))
    rows = read(tmp_path / "emulator-endpoint.jsonl")
    said = {(row["method"], row["path"].rsplit("/", 2)[-2], row["status"]) for row in rows}
    assert {("PUT", "jobs", 201), ("PUT", "versions", 201), ("PUT", "onlineEndpoints", 201)} <= said
    # The deployment whose first provisioning failed, and what Azure ML says of a second try.
    assert {("PUT", "deployments", 201), ("PUT", "deployments", 400), ("DELETE", "deployments", 202)} <= said
    assert {row["source"]["path"] for row in rows} >= {
        "tests/azure/day.py",
        "tests/azure/test_roll_out.py::test_a_rollout",
    }
    text = (tmp_path / "emulator-endpoint.jsonl").read_text()
    for name in ("Bearer", "kfpaz", "00000000-0000", "fashion", "sig=A", "emulator-", "127.0.0.1"):
        assert name not in text


def test_the_first_level_only_reads(day: Day, client: Any) -> None:
    done = day.run("read")
    assert done.returncode == 0, done.stdout
    assert "Creates nothing, changes nothing and costs nothing" in done.stdout
    rows = read(day.folder / "azure-read.jsonl")
    assert {row["method"] for row in rows} == {"GET"}
    assert sum(row["times"] for row in rows) <= 16
    assert {row["status"] for row in rows} == {200, 404}


def test_a_workflow_needs_no_secret(day: Day, azure: EmulatorInfo) -> None:
    environment = day.environment(AZURE_FEDERATED_TOKEN_FILE=azure.federated_token_file)
    for name in ("AZ_TENANT_ID", "AZ_CLIENT_ID", "AZ_CLIENT_SECRET", "AZURE_CLIENT_SECRET"):
        del environment[name]
    done = subprocess.run(
        [sys.executable, DAY, "read"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_is_created_without_consent(day: Day, client: Any) -> None:
    done = day.run("endpoint")
    assert done.returncode == 2
    assert "nothing was created: this needs your consent, YES=1 or `yes` on a terminal" in done.stdout
    assert f"endpoint     {day.prefix}-endpoint, managed" in done.stdout
    assert re.search(r"Standard_DS3_v2: 0.5 USD per hour \(AZURE_TEST_HOURLY_PRICE, \d{4}-\d\d-\d\d\)", done.stdout)
    assert re.search(r"costs at most \d+\.\d\d USD", done.stdout)
    assert left(client, day.prefix) == []
    assert list(day.folder.iterdir()) == []


@pytest.mark.parametrize(("answer", "code"), [("no", 2), ("y", 2), ("yes", 0)])
def test_consent_is_a_yes_on_the_terminal(day: Day, client: Any, answer: str, code: int) -> None:
    # env: a terminal's process gets this one's environment.
    variables = [f"{name}={value}" for name, value in day.environment().items()]
    with on_a_terminal(["/usr/bin/env", "-i", *variables, sys.executable, DAY, "register"]) as terminal:
        terminal.wait_for("Type yes to go on: ")
        terminal.type(f"{answer}\n")
        assert terminal.wait(SECONDS) == code, terminal.shown
    assert (day.folder / "azure-register.jsonl").exists() == (code == 0)
    assert left(client, day.prefix) == []


def test_a_failed_test_is_cleaned_up_after(day: Day, client: Any, tmp_path: Path) -> None:
    # Somebody's model, by chance with a name of ours: so the test fails, and the model stays.
    (tmp_path / "model.txt").write_text("theirs")
    theirs = f"{day.prefix}-registered"
    client.models.create_or_update(
        Model(name=theirs, version="1", path=str(tmp_path / "model.txt"), tags={"by": "them"})
    )
    done = day.run("register", "--yes")
    assert done.returncode == 1, done.stdout
    assert "1 failed" in done.stdout
    assert f"removing data {day.prefix}-data, of run {day.prefix}" in done.stdout
    assert left(client, day.prefix) == []
    assert "1" in {model.version for model in client.models.list(theirs)}
    assert (day.folder / "azure-register.jsonl").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_in_a_cleanup(day: Day, client: Any, number: signal.Signals) -> None:
    with day.running("register", "--yes") as process:
        wait_until(lambda: has_model(client, day), process, day)
        process.send_signal(number)
        wait_until(lambda: "removing model" in day.said(), process, day)
        process.send_signal(number)  # impatience does not stop it
        assert process.wait(SECONDS) == 130, day.said()
    assert left(client, day.prefix) == []
    assert f"removing model {day.prefix}-registered" in day.said()
    assert read(day.folder / "azure-register-interrupted.jsonl")
    assert not (day.folder / "azure-register.jsonl").exists()


@pytest.mark.parametrize("how", ["Ctrl-C", "SIGTERM to make"])
def test_make_passes_a_signal_on_and_waits(tmp_path: Path, how: str) -> None:
    variables = [f"AZURE_TEST_RECORDINGS={tmp_path}", "AZURE_TEST_PREFIX=kfpazmaking1"]
    make = ["make", "--silent", "--directory", ROOT, "--assume-old", ".venv/.ready", "test-azure"]
    with on_a_terminal(["/usr/bin/env", *variables, *make, "EMULATOR=1", "LEVEL=register"]) as terminal:
        terminal.wait_for("test_register.py::test_an_environment", SECONDS)
        if how == "Ctrl-C":
            terminal.type(CTRL_C)
        else:
            terminal.process.send_signal(signal.SIGTERM)
        assert terminal.wait(SECONDS) != 0
    # The local Azure ML has no Ctrl-C from the terminal, so that the cleanup can reach it.
    assert "removing model kfpazmaking1-registered, of run kfpazmaking1" in terminal.shown
    assert "not removed" not in terminal.shown
    assert [path.name for path in tmp_path.iterdir()] == ["emulator-register-interrupted.jsonl"]


def test_a_signal_in_the_middle_of_a_deployment_ends_in_a_cleanup(day: Day, client: Any) -> None:
    with day.running("endpoint", "--yes") as process:
        wait_until(lambda: is_deploying(client, day), process, day)
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 130, day.said()
    assert f"removing endpoint {day.prefix}-endpoint" in day.said()
    assert left(client, day.prefix) == []
    assert f"{day.prefix}-endpoint" not in {endpoint.name for endpoint in client.online_endpoints.list()}


def test_what_a_killed_run_left_is_found_later(day: Day, client: Any, tmp_path: Path) -> None:
    with day.running("endpoint", "--yes") as process:
        wait_until(lambda: is_deploying(client, day), process, day)
        process.send_signal(signal.SIGKILL)
        process.wait(SECONDS)
    there = left(client, day.prefix)
    assert {f"endpoint {day.prefix}-endpoint", f"model {day.prefix}-model"} <= set(there)
    theirs = Environment(name=f"{day.prefix}-theirs", version="1", image="mcr.microsoft.com/x")
    client.environments.create_or_update(theirs)

    later = Day(day.azure, tmp_path, f"kfpaz{os.urandom(4).hex()}")
    too_young = later.run("clean-up")
    assert (too_young.returncode, left(client, day.prefix)) == (0, there), too_young.stdout
    assert "removing" not in too_young.stdout

    # Also a run with another purpose removes it, before it creates anything.
    done = later.run("register", "--yes", AZURE_TEST_LEFTOVER_HOURS="0")
    assert done.returncode == 0, done.stdout
    before = done.stdout[: done.stdout.index("test session starts")]
    for label in there:
        assert f"removing {label}, of run {day.prefix} (0." in before
    assert left(client, day.prefix) == []
    assert client.environments.get(theirs.name, "1").name == theirs.name


def test_a_job_is_cancelled_and_archived(client: Any) -> None:
    run = Run(f"kfpaz{os.urandom(4).hex()}", datetime.now(UTC) - timedelta(hours=7))

    def sleeping(experiment: str, tags: dict[str, str]) -> str:
        environment = Environment(image="kfp-azureml/ml:local")
        job = command(
            command="sleep 600", environment=environment, compute="cpu-cluster", experiment_name=experiment, tags=tags
        )
        return str(client.jobs.create_or_update(job).name)

    ours = sleeping(f"{run.prefix}-job", run.tags)
    others = [sleeping("theirs", run.tags), sleeping(f"{run.prefix}-job", {"by": "them"})]
    try:
        assert left(client, run.prefix) == [f"job {ours}"]
        assert remove_all(client, lambda each: each.prefix == run.prefix, lambda _: None) == []
        assert client.jobs.get(ours).status == "Canceled"
        assert ours not in {job.name for job in client.jobs.list()}
        assert set(others) <= {job.name for job in client.jobs.list()}
    finally:
        for name in others:
            client.jobs.begin_cancel(name).wait()


def test_it_says_which_variables_are_missing() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AZ_", "AZURE_"))}
    day = {"PYTHONPATH": f"{ROOT / 'tests' / 'support'}:{ROOT / 'emulator' / 'tests' / 'support'}"}
    done = subprocess.run(
        [sys.executable, DAY, "read"],
        cwd=ROOT,
        env=environment | day,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    missing = "AZURE_TEST_RESOURCE_GROUP, AZURE_TEST_WORKSPACE, AZ_SUBSCRIPTION_ID"
    assert f"error: set {missing}, or EMULATOR=1 for the Azure ML emulator" in done.stdout
