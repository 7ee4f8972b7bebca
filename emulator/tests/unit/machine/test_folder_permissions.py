"""Folders that other users can write to are refused."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from azureml_emulator import EmulatorInfo
from azureml_emulator.cli import main
from azureml_emulator.errors import EmulatorError
from azureml_emulator.machine.cache import cached_folder
from azureml_emulator.machine.folder_permissions import refuse_writable_by_others


async def make(folder: Path) -> None:
    (folder / "content").touch()


@pytest.mark.anyio
@pytest.mark.parametrize("open_one", ["cache", "cache/tool"])
async def test_a_world_writable_cache_is_refused(tmp_path: Path, open_one: str) -> None:
    folder = await cached_folder(tmp_path / "cache" / "tool", make)
    (tmp_path / open_one).chmod(0o777)

    with pytest.raises(EmulatorError, match=r": every user can write to it; run chmod o-w on it"):
        await cached_folder(folder, make)


def test_a_world_writable_state_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)

    result = CliRunner().invoke(main, ["start", "--state-dir", str(tmp_path)])

    assert result.exit_code == 1
    assert result.output.startswith(f"Error: {tmp_path}: every user can write to it")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["start --detach", "env", "status", "stop"])
def test_no_command_trusts_a_state_folder_that_others_can_fill(tmp_path: Path, command: str) -> None:
    folder, precious = tmp_path / "state", tmp_path / "precious"
    folder.mkdir()
    precious.write_text("mine")
    (folder / "emulator.log").symlink_to(precious)
    # As if one were running there: a shell would evaluate the first, and we would end the second.
    told = EmulatorInfo(2**30, "", "", "", {"X=1; touch pwned; Y": ""}, "", "")
    (folder / "emulator.json").write_text(told.to_json())
    folder.chmod(0o1777)

    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = CliRunner().invoke(main, [*command.split(), "--state-dir", str(folder)])

    assert result.exit_code == 1
    assert (
        result.output == f"Error: {folder}: every user can write to it; run chmod o-w on it or choose another folder\n"
    )
    assert precious.read_text() == "mine"


def test_a_folder_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.getuid() == 0:
        os.chown(tmp_path, 4321, -1)
    owner = tmp_path.stat().st_uid
    refuse_writable_by_others(tmp_path)  # the superuser's own business
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)

    with pytest.raises(EmulatorError, match="belongs to another user; choose another folder"):
        refuse_writable_by_others(tmp_path)
    refuse_writable_by_others(Path("/"))
