"""`make test-azure` against the emulator: levels, consent and what it records."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import Any

import pytest

from azure_day import PROGRAM, ROOT, SECONDS, Day, left
from azureml_emulator import EmulatorInfo
from azureml_traffic import read
from terminal import on_a_terminal


def test_the_first_level_only_reads(day: Day, day_client: Any) -> None:
    done = day.run("read")
    assert done.returncode == 0, done.stdout
    assert "Creates nothing, changes nothing and costs nothing: about 14 GET requests." in done.stdout
    assert "warning" not in done.stdout
    rows = read(day.folder / "azure-read.jsonl")
    assert {row["method"] for row in rows} == {"GET"}
    # A list whose first page shows nothing, such as archived jobs, takes another request.
    assert 14 <= sum(row["times"] for row in rows) <= 20
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


@pytest.mark.parametrize("answer", ["no", "y"])
def test_other_answers_on_the_terminal_are_no_consent(day: Day, day_client: Any, answer: str) -> None:
    # A yes is in tests/faults: it takes a whole run.
    with on_a_terminal(day.command("register")) as terminal:
        terminal.wait_for("Type yes to go on: ")
        terminal.type(f"{answer}\n")
        assert terminal.wait(SECONDS) == 2, terminal.shown
    assert not (day.folder / "azure-register.jsonl").exists()
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
