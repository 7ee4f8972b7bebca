"""Runs are not written to a folder that other users can change."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from kfp_azureml.local import folder_permissions
from kfp_azureml.local.command import run_command
from kfp_azureml.local.folder_permissions import check_permissions
from kfp_azureml.runtime.errors import OutputError


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o702])
def test_a_folder_that_everyone_can_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    runs.chmod(mode)
    with pytest.raises(OutputError, match=f"^{runs}: every user can write to it: run chmod o-w on it, or set another"):
        CliRunner().invoke(run_command, ["--runs", str(runs)], catch_exceptions=False)
    assert list(runs.iterdir()) == []


def test_a_folder_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    others = os.stat_result((0o40755, 0, 0, 2, 1001, 1001, 0, 0, 0, 0))
    monkeypatch.setattr(folder_permissions.Path, "stat", lambda _path: others)
    monkeypatch.setattr(folder_permissions.os, "getuid", lambda: 1002)
    with pytest.raises(OutputError, match="belongs to another user: set another folder"):
        check_permissions(tmp_path)
    monkeypatch.setattr(folder_permissions.os, "getuid", lambda: 1001)
    check_permissions(tmp_path)


def test_an_own_folder_is_accepted(tmp_path: Path) -> None:
    tmp_path.chmod(0o775)
    check_permissions(tmp_path)
