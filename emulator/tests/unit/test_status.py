from __future__ import annotations

import asyncio
import json
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from azureml_emulator.cli import main
from azureml_emulator.control_plane import workspaces
from azureml_emulator.errors import EmulatorError
from azureml_emulator.info import FILE_NAME, LOCK_NAME, EmulatorInfo
from azureml_emulator.machine.locks import locked
from azureml_emulator.settings import Settings
from azureml_emulator.status import read_status
from azureml_emulator.store import FILE_NAME as STORE_NAME
from azureml_emulator.store import Store

INFO = EmulatorInfo(
    pid=7,
    state_dir="",
    proxy_url="http://127.0.0.1:1",
    ca_file="ca.pem",
    environment={"AZ_SUBSCRIPTION_ID": "s", "AZ_CLIENT_SECRET": "very secret"},
    resource_group="group",
    workspace="work",
)
RESOURCES = {"computes": 2, "datastores": 4}


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """The state folder of an emulator that was started once."""
    with closing(Store(tmp_path / STORE_NAME)) as store:
        workspaces.create(store, Settings(tmp_path), "account")
        store.connection.execute(
            "INSERT INTO operations (id, kind, resource, status, started) VALUES ('o', 'k', 'r', 'InProgress', 'now')"
        )
    return tmp_path


def test_of_a_stopped_one_its_resources_are_known(state_dir: Path) -> None:
    (state_dir / FILE_NAME).write_text(INFO.to_json())  # left by one that was killed

    found = read_status(state_dir)

    assert (found.state, found.info, found.resources, found.operations) == ("stopped", None, RESOURCES, 1)


def test_where_none_ever_was(tmp_path: Path) -> None:
    found = read_status(tmp_path / "none")

    assert (found.state, found.resources) == ("stopped", {})
    assert not (tmp_path / "none").exists()


def test_one_that_has_no_tables_yet(tmp_path: Path) -> None:
    (tmp_path / STORE_NAME).touch()

    assert read_status(tmp_path).resources == {}


def test_a_database_that_is_none_is_one_line(tmp_path: Path) -> None:
    (tmp_path / STORE_NAME).write_text("no database, but long enough to be looked at as one" * 100)

    with pytest.raises(EmulatorError, match=r"state\.sqlite cannot be read: file is not a database"):
        read_status(tmp_path)


def test_a_running_one_while_its_database_is_in_use(state_dir: Path) -> None:
    async def look() -> tuple[str, str]:
        async with locked(state_dir / LOCK_NAME):
            with closing(Store(state_dir / STORE_NAME)) as store:
                store.put({**INFO.__dict__, "id": "/a/b/models/m", "type": "x/models", "environment": {}})
                starting = read_status(state_dir).state
                (state_dir / FILE_NAME).write_text(INFO.to_json())
                return starting, read_status(state_dir).state

    assert asyncio.run(look()) == ("starting", "running")


def test_the_command_says_it_without_secrets(state_dir: Path) -> None:
    async def run(*options: str) -> tuple[int, str]:
        async with locked(state_dir / LOCK_NAME):
            (state_dir / FILE_NAME).write_text(INFO.to_json())
            result = await asyncio.to_thread(
                CliRunner().invoke, main, ["status", "--state-dir", str(state_dir), *options]
            )
        return result.exit_code, result.output

    code, text = asyncio.run(run())
    assert code == 0
    assert "running" in text
    assert "work, resource group group" in text
    assert "2 computes, 4 datastores" in text

    code, line = asyncio.run(run("--json"))
    assert (code, json.loads(line)) == (
        0,
        {
            "state": "running",
            "state_dir": str(state_dir),
            "pid": 7,
            "proxy_url": "http://127.0.0.1:1",
            "ca_file": "ca.pem",
            "subscription_id": "s",
            "resource_group": "group",
            "workspace": "work",
            "resources": RESOURCES,
            "operations": 1,
        },
    )
    assert "very secret" not in text + line


def test_the_command_says_that_none_is_running(state_dir: Path) -> None:
    result = CliRunner().invoke(main, ["status", "--state-dir", str(state_dir)])

    assert result.exit_code == 1
    assert result.output.startswith("Azure ML emulator: stopped\n")
