"""Starting an emulator where it cannot be: one line says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from azureml_emulator.cli import main


@pytest.mark.parametrize("detach", [(), ("--detach",)])
def test_a_state_folder_that_cannot_be_made(tmp_path: Path, detach: tuple[str, ...]) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "state"

    result = CliRunner().invoke(main, ["start", "--state-dir", str(folder), *detach])

    assert (result.exit_code, result.output) == (1, f"Error: {folder} cannot be written: Not a directory\n")


@pytest.mark.parametrize("detach", [(), ("--detach",)])
def test_an_access_log_that_cannot_be_made(tmp_path: Path, detach: tuple[str, ...]) -> None:
    log = tmp_path / "none" / "access.log"

    result = CliRunner().invoke(
        main, ["start", "--state-dir", str(tmp_path / "state"), "--access-log", str(log), *detach]
    )

    assert (result.exit_code, result.output) == (1, f"Error: {log} cannot be written: No such file or directory\n")
