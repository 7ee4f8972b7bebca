"""`make test-azure` against a local Azure ML: levels, consent and what it records."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import makefile
from azure_day import PROGRAM, ROOT, SECONDS, Day, left
from azureml_emulator import EmulatorInfo
from azureml_traffic import read
from terminal import on_a_terminal


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


def test_the_first_level_only_reads(day: Day, day_client: Any) -> None:
    done = day.run("read")
    assert done.returncode == 0, done.stdout
    assert "Creates nothing, changes nothing and costs nothing" in done.stdout
    rows = read(day.folder / "azure-read.jsonl")
    assert {row["method"] for row in rows} == {"GET"}
    assert f"{sum(row['times'] for row in rows)} GET requests" in done.stdout
    assert {row["status"] for row in rows} == {200, 404}


def test_a_workflow_needs_no_secret(day: Day, azure: EmulatorInfo) -> None:
    environment = day.environment(AZURE_FEDERATED_TOKEN_FILE=azure.federated_token_file)
    for name in ("AZ_TENANT_ID", "AZ_CLIENT_ID", "AZ_CLIENT_SECRET", "AZURE_CLIENT_SECRET"):
        del environment[name]
    done = subprocess.run(
        [sys.executable, PROGRAM, "read"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_is_created_without_consent(day: Day, day_client: Any) -> None:
    done = day.run("endpoint")
    assert done.returncode == 2
    assert "nothing was created: this needs your consent, YES=1 or `yes` on a terminal" in done.stdout
    assert f"endpoint     {day.prefix}-endpoint, managed" in done.stdout
    assert re.search(r"Standard_DS3_v2: 0.5 USD per hour \(AZURE_TEST_HOURLY_PRICE, \d{4}-\d\d-\d\d\)", done.stdout)
    assert re.search(r"costs at most \d+\.\d\d USD", done.stdout)
    assert left(day_client, day.prefix) == []
    assert list(day.folder.iterdir()) == []


@pytest.mark.parametrize(("answer", "code"), [("no", 2), ("y", 2), ("yes", 0)])
def test_consent_is_a_yes_on_the_terminal(day: Day, day_client: Any, answer: str, code: int) -> None:
    # env: a terminal's process gets this one's environment.
    variables = [f"{name}={value}" for name, value in day.environment().items()]
    with on_a_terminal(["/usr/bin/env", "-i", *variables, sys.executable, PROGRAM, "register"]) as terminal:
        terminal.wait_for("Type yes to go on: ")
        terminal.type(f"{answer}\n")
        assert terminal.wait(SECONDS) == code, terminal.shown
    assert (day.folder / "azure-register.jsonl").exists() == (code == 0)
    assert left(day_client, day.prefix) == []


def test_it_says_which_variables_are_missing() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AZ_", "AZURE_"))}
    day = {"PYTHONPATH": f"{ROOT / 'tests' / 'support'}:{ROOT / 'emulator' / 'tests' / 'support'}"}
    done = subprocess.run(
        [sys.executable, PROGRAM, "read"],
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
