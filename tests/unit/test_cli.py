"""The command's subcommands are found in the rooms that are there."""

from importlib import util

import click
import pytest
from click.testing import CliRunner

from kfp_azureml.cli import COMMANDS, commands


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_where_it_is_looked_for(name: str) -> None:
    command = commands.get_command(click.Context(commands), name)
    assert command is not None
    assert command.get_short_help_str()


@pytest.mark.parametrize("group", [[], ["aml"], ["aml", "components"], ["aml", "models"], ["step"]])
def test_no_summary_of_a_command_is_cut(group: list[str]) -> None:
    listed = CliRunner().invoke(commands, [*group, "--help"], terminal_width=80)
    assert listed.exit_code == 0
    assert "..." not in listed.output.partition("Commands:")[2]
    assert max(map(len, listed.output.splitlines())) <= 80


def test_a_room_that_an_image_leaves_out_has_no_command(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda name: None if name == "kfp_azureml.local" else find_spec(name))
    listed = CliRunner().invoke(commands, ["--help"]).output
    assert "compile" in listed
    assert "  run " not in listed
    refused = CliRunner().invoke(commands, ["run"])
    assert refused.exit_code == 2
    assert "No such command 'run'" in refused.output
