"""Folders that other users can fill are not used: what is in them is read and run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from azureml_emulator.cli import main
from azureml_emulator.errors import EmulatorError
from azureml_emulator.machine.cache import cached_folder
from azureml_emulator.machine.ownership import refuse_foreign


async def make(folder: Path) -> None:
    (folder / "content").touch()


@pytest.mark.anyio
@pytest.mark.parametrize("open_one", ["cache", "cache/tool"])
async def test_a_cache_that_everybody_can_write_into_is_refused(tmp_path: Path, open_one: str) -> None:
    folder = await cached_folder(tmp_path / "cache" / "tool", make)
    (tmp_path / open_one).chmod(0o777)

    with pytest.raises(EmulatorError, match=r"every user can write into .*: run chmod o-w on it"):
        await cached_folder(folder, make)


def test_a_state_folder_that_everybody_can_write_into_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)

    result = CliRunner().invoke(main, ["start", "--state-dir", str(tmp_path)])

    assert result.exit_code == 1
    assert result.output.startswith(f"Error: every user can write into {tmp_path}")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.getuid() == 0:
        os.chown(tmp_path, 4321, -1)
    owner = tmp_path.stat().st_uid
    refuse_foreign(tmp_path)  # the superuser's own business
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)

    with pytest.raises(EmulatorError, match="belongs to another user: name another folder"):
        refuse_foreign(tmp_path)
    refuse_foreign(Path("/"))
