"""docs/azureml.md: subcommands, variables and types are those of the code."""

from __future__ import annotations

import re

import click

from azure_plan import CLEAN_UP, Level
from kfp_azureml.azureml_pipelines.parameters import PRIMITIVES
from kfp_azureml.cli import commands as cli
from pages import ROOT, calls

TEXT = (ROOT / "docs" / "azureml.md").read_text()


def test_every_subcommand_is_shown() -> None:
    group = cli.get_command(click.Context(cli), "aml")
    assert isinstance(group, click.Group)
    shown = [call[1:] for call in calls("kfp-azureml", TEXT) if call[0] == "aml"]
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            assert {(name, each) for each in command.commands} <= {tuple(call[:2]) for call in shown}
        else:
            assert name in {call[0] for call in shown}


def test_every_variable_exists() -> None:
    sources = [*(ROOT / "tests" / "azure").glob("*.py"), *(ROOT / "tests" / "support").glob("azure_*.py")]
    variables = [
        set(re.findall(r"AZURE_TEST_[A-Z]\w+", text)) for text in (TEXT, *(path.read_text() for path in sources))
    ]
    assert variables[0]
    assert variables[0] <= set().union(*variables[1:])


def test_every_level_of_test_azure_is_in_the_table() -> None:
    section = TEXT[TEXT.index("## On a real workspace") :]
    assert re.findall(r"^\| `([a-z-]+)`", section, re.MULTILINE) == [*Level, CLEAN_UP]
    assert set(re.findall(r"LEVEL=([a-z-]+)", section)) <= {*Level, CLEAN_UP}


def test_the_table_of_types_is_the_code_s() -> None:
    assert "| `int`, `float`, `bool`, `str` | integer, number, boolean, string, with their defaults |" in TEXT
    order = ("NUMBER_INTEGER", "NUMBER_DOUBLE", "BOOLEAN", "STRING", "LIST", "STRUCT")
    assert [PRIMITIVES[kind] for kind in order] == ["integer", "number", "boolean", "string", "string", "string"]
