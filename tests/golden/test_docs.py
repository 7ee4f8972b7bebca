"""docs/aks.md, as far as it can be checked without Azure: bash, make and both command lines take its commands."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import click
import pytest
from kfp.cli import cli as kfp_cli

from console_blocks import arguments_of, commands
from kfp_azureml.cli import commands as kfp_azureml_cli

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "aks.md"
COMMANDS = commands(PAGE)
INLINE = re.findall(r"`(kfp(?:-azureml)? [a-z][^`]* [^`]+)`", PAGE.read_text())
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
GROUPS: dict[str, click.Group] = {"kfp": kfp_cli.cli, "kfp-azureml": kfp_azureml_cli}


def calls(program: str) -> list[list[str]]:
    return [call for command in [*COMMANDS, *INLINE] for call in arguments_of(program, command)]


def parse(program: str, arguments: list[str]) -> None:
    """Parse a command line down to its last subcommand, as click does before it runs anything."""
    command: click.Command = GROUPS[program]
    parent = None
    while True:
        context = command.make_context(command.name, arguments, parent=parent)
        if not isinstance(command, click.Group):
            return
        _, subcommand, arguments = command.resolve_command(context, [*context._protected_args, *context.args])
        assert subcommand is not None
        command, parent = subcommand, context


def test_the_page_has_the_commands_that_it_is_about() -> None:
    assert len(COMMANDS) > 40
    for program in ("az", "kubectl", "make", "kfp", "kfp-azureml"):
        assert calls(program), program


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[:40])
def test_bash_takes_every_command(command: str) -> None:
    done = subprocess.run(["bash", "-n"], input=command, capture_output=True, text=True, timeout=10, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_make_target_and_variable_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for call in calls("make"):
        assert [word for word in call if "=" not in word and word not in TARGETS] == [], call
        for word in call:
            name, equals, _ = word.partition("=")
            assert not equals or re.search(rf"\b{name}\b", makefile), call


@pytest.mark.parametrize(
    ("program", "call"),
    [(program, call) for program in GROUPS for call in calls(program)],
    ids=lambda value: value if isinstance(value, str) else " ".join(value)[:40],
)
def test_the_command_lines_parse(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str, call: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipeline.yaml").touch()
    parse(program, call)


@pytest.mark.parametrize(
    ("program", "call"),
    [
        ("kfp-azureml", ["compile", "--no-such-flag"]),
        ("kfp-azureml", ["no-such-command"]),
        ("kfp", ["run", "create", "--service-account", "a"]),
    ],
)
def test_a_wrong_command_line_is_refused(program: str, call: list[str]) -> None:
    with pytest.raises(click.UsageError):
        parse(program, call)


def test_every_file_that_is_named_exists() -> None:
    text = PAGE.read_text()
    named = {PAGE.parent / link for link in re.findall(r"\]\((?!https?://|#)([^)#]+)", text)}
    named |= {
        ROOT / path for path in re.findall(r"(?<![\w./-])(?:manifests|pipelines|docker|docs|components)/[\w./-]+", text)
    }
    missing = {path for path in named if not path.exists() and path.name != "azcreds.env"}
    assert not missing
    assert len(named) > 5


def test_every_anchor_is_a_heading() -> None:
    text = PAGE.read_text()
    headings = re.findall(r"^#+ (.*)", text, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= anchors


def test_every_overlay_is_on_the_page() -> None:
    rendered = {word for call in calls("make") for word in call if word.startswith("OVERLAYS=")}
    overlays = {path.name for path in (ROOT / "manifests" / "overlays").iterdir()}
    assert {word.removeprefix("OVERLAYS=") for word in rendered} == overlays


def test_kubeflow_is_the_release_of_the_sdk() -> None:
    from kfp import __version__

    assert f"export KFP={__version__}" in COMMANDS
