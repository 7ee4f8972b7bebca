"""`make test-azure` removes what it created, after every way out; a later run removes what a killed one left."""

from __future__ import annotations

import os
import re
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import command
from azure.ai.ml.entities import Environment, Model

import makefile
from azure_day import ROOT, SECONDS, Day, left, new_day, wait_until
from azure_leftovers import remove_all
from azure_place import Run
from azureml_traffic import read
from terminal import CTRL_C, on_a_terminal


def has_model(day_client: Any, day: Day) -> bool:
    return f"model {day.prefix}-registered" in left(day_client, day.prefix)


def is_deploying(day_client: Any, day: Day) -> bool:
    name = f"{day.prefix}-endpoint"
    endpoints = {endpoint.name for endpoint in day_client.online_endpoints.list()}
    return name in endpoints and bool(list(day_client.online_deployments.list(name)))


def test_a_yes_on_the_terminal_is_consent(day: Day, day_client: Any) -> None:
    with on_a_terminal(day.command("register")) as terminal:
        terminal.wait_for("Type yes to go on: ")
        terminal.type("yes\n")
        assert terminal.wait(SECONDS) == 0, terminal.shown
    assert (day.folder / "azure-register.jsonl").exists()
    assert left(day_client, day.prefix) == []


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


def test_a_failed_test_is_cleaned_up_after(day: Day, day_client: Any, tmp_path: Path) -> None:
    # Somebody's model, by chance with a name of ours: so the test fails, and the model stays.
    (tmp_path / "model.txt").write_text("theirs")
    theirs = f"{day.prefix}-registered"
    day_client.models.create_or_update(
        Model(name=theirs, version="1", path=str(tmp_path / "model.txt"), tags={"by": "them"})
    )
    done = day.run("register", "--yes")
    assert done.returncode == 1, done.stdout
    assert "1 failed" in done.stdout
    assert f"removing data {day.prefix}-data, of run {day.prefix}" in done.stdout
    assert f"removing model {theirs}:2, of run {day.prefix}" in done.stdout
    assert left(day_client, day.prefix) == []
    assert theirs in {model.name for model in day_client.models.list()}
    assert [model.version for model in day_client.models.list(theirs)] == ["1"]
    assert (day.folder / "azure-register.jsonl").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_in_a_cleanup(day: Day, day_client: Any, number: signal.Signals) -> None:
    with day.running("register", "--yes") as process:
        wait_until(lambda: has_model(day_client, day), process, day)
        process.send_signal(number)
        wait_until(lambda: "removing model" in day.said(), process, day)
        process.send_signal(number)  # impatience does not stop it
        assert process.wait(SECONDS) == 130, day.said()
    assert left(day_client, day.prefix) == []
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
    # The emulator has no Ctrl-C from the terminal, so that the cleanup can reach it.
    assert "removing model kfpazmaking1-registered, of run kfpazmaking1" in terminal.shown
    assert "not removed" not in terminal.shown
    assert [path.name for path in tmp_path.iterdir()] == ["emulator-register-interrupted.jsonl"]


def test_a_signal_in_the_middle_of_a_deployment_ends_in_a_cleanup(day: Day, day_client: Any) -> None:
    with day.running("endpoint", "--yes") as process:
        wait_until(lambda: is_deploying(day_client, day), process, day)
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 130, day.said()
    assert f"removing endpoint {day.prefix}-endpoint" in day.said()
    assert left(day_client, day.prefix) == []
    assert f"{day.prefix}-endpoint" not in {endpoint.name for endpoint in day_client.online_endpoints.list()}


def test_what_a_killed_run_left_is_found_later(day: Day, day_client: Any, tmp_path: Path) -> None:
    with day.running("endpoint", "--yes") as process:
        wait_until(lambda: is_deploying(day_client, day), process, day)
        process.send_signal(signal.SIGKILL)
        process.wait(SECONDS)
    there = left(day_client, day.prefix)
    assert {f"endpoint {day.prefix}-endpoint", f"model {day.prefix}-model"} <= set(there)
    theirs = Environment(name=f"{day.prefix}-theirs", version="1", image="mcr.microsoft.com/x")
    day_client.environments.create_or_update(theirs)

    later = new_day(day.azure, tmp_path)
    too_young = later.run("clean-up")
    assert (too_young.returncode, left(day_client, day.prefix)) == (0, there), too_young.stdout
    assert "removing" not in too_young.stdout

    # Also a run with another purpose removes it, before it creates anything.
    done = later.run("register", "--yes", AZURE_TEST_LEFTOVER_HOURS="0")
    assert done.returncode == 0, done.stdout
    before = done.stdout[: done.stdout.index("test session starts")]
    for label in there:
        assert f"removing {label}, of run {day.prefix} (0." in before
    assert left(day_client, day.prefix) == []
    assert day_client.environments.get(theirs.name, "1").name == theirs.name


def test_a_job_is_cancelled_and_archived(day_client: Any) -> None:
    run = Run(f"kfpaz{os.urandom(4).hex()}", datetime.now(UTC) - timedelta(hours=7))

    def sleeping(experiment: str, tags: dict[str, str]) -> str:
        environment = Environment(image="kfp-azureml/ml:local")
        job = command(
            command="sleep 600", environment=environment, compute="cpu-cluster", experiment_name=experiment, tags=tags
        )
        return str(day_client.jobs.create_or_update(job).name)

    ours = sleeping(f"{run.prefix}-job", run.tags)
    others = [sleeping("theirs", run.tags), sleeping(f"{run.prefix}-job", {"by": "them"})]
    try:
        assert left(day_client, run.prefix) == [f"job {ours}"]
        assert remove_all(day_client, lambda each: each.prefix == run.prefix, lambda _: None) == []
        assert day_client.jobs.get(ours).status == "Canceled"
        assert ours not in {job.name for job in day_client.jobs.list()}
        assert set(others) <= {job.name for job in day_client.jobs.list()}
    finally:
        for name in others:
            day_client.jobs.begin_cancel(name).wait()
