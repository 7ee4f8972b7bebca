"""docs/azureml.md and the README's section, as far as they can be checked without Azure."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import click
import pytest

from command_lines import parse
from console_blocks import arguments_of, commands
from kfp_azureml.cli import commands as cli

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "docs" / "azureml.md", ROOT / "README.md")
CALLS = [
    call
    for page in PAGES
    for command in commands(page.read_text())
    for call in arguments_of("kfp-azureml", command)
    if call[:1] == ["aml"]
]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: " ".join(call)[:40])
def test_the_command_lines_parse(call: list[str]) -> None:
    parse(cli, call)


def test_every_subcommand_is_shown() -> None:
    group = cli.get_command(click.Context(cli), "aml")
    assert isinstance(group, click.Group)
    shown = {tuple(call[1:3]) for call in CALLS}
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            assert {(name, each) for each in command.commands} <= shown
        else:
            assert any(call[1] == name for call in CALLS), name


@pytest.mark.parametrize("command", commands(PAGES[0].read_text()), ids=lambda command: command[:40])
def test_bash_takes_every_command(command: str) -> None:
    done = subprocess.run(["bash", "-n"], input=command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_link_and_variable_exists() -> None:
    text = PAGES[0].read_text()
    for link in re.findall(r"\]\((?!https?://|#)([^)#]+)", text):
        assert (PAGES[0].parent / link).exists(), link
    headings = {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in re.findall(r"^#+ (.*)", text, re.M)}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= headings
    conftest = (ROOT / "tests" / "azure" / "conftest.py").read_text()
    for variable in set(re.findall(r"AZURE_TEST_\w+", text)):
        assert variable in conftest


def test_the_table_of_types_is_the_code_s() -> None:
    from kfp_azureml.azureml_pipelines.parameters import PRIMITIVES

    text = PAGES[0].read_text()
    assert "| `int`, `float`, `bool`, `str` | integer, number, boolean, string, with their defaults |" in text
    order = ("NUMBER_INTEGER", "NUMBER_DOUBLE", "BOOLEAN", "STRING", "LIST", "STRUCT")
    assert [PRIMITIVES[kind] for kind in order] == ["integer", "number", "boolean", "string", "string", "string"]
