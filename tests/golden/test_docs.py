"""Every page's commands, make targets and links, without running them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import click
import pytest
from kfp.cli import cli as kfp_cli

from command_lines import parse
from console_blocks import commands
from kfp_azureml.cli import commands as kfp_azureml_cli
from pages import DOCS, MAKEFILE, PAGES, ROOT, TARGETS, anchors, calls, links, make_calls, name_of

GROUPS: dict[str, click.Group] = {"kfp": kfp_cli.cli, "kfp-azureml": kfp_azureml_cli}
CONSOLE = [(page, command) for page in PAGES for command in commands(page.read_text())]
CALLS = [(program, call) for page in PAGES for program in GROUPS for call in calls(program, page.read_text())]
README = ROOT / "README.md"
README_LINES = 160


@pytest.mark.parametrize(("page", "command"), CONSOLE, ids=lambda value: value[:40] if isinstance(value, str) else None)
def test_bash_parses_every_command(page: Path, command: str) -> None:
    done = subprocess.run(["bash", "-n"], input=command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, ""), page


@pytest.mark.parametrize(
    ("program", "call"), CALLS, ids=lambda value: value if isinstance(value, str) else " ".join(value)[:40]
)
def test_every_command_line_parses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str, call: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipeline.yaml").touch()
    parse(GROUPS[program], call)


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
        parse(GROUPS[program], call)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_make_target_and_variable_exists(page: Path) -> None:
    for call in make_calls(page.read_text()):
        assert [word for word in call if "=" not in word and word not in TARGETS] == [], call
        for word in call:
            name, equals, _ = word.partition("=")
            assert not equals or re.search(rf"\b{name}\b", MAKEFILE), call


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_and_anchor_has_a_target(page: Path) -> None:
    for link in links(page.read_text()):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_readme_is_short_and_leads_to_every_guide() -> None:
    text = README.read_text()
    assert len(text.splitlines()) <= README_LINES
    linked = {(README.parent / link.partition("#")[0]).resolve() for link in links(text)}
    assert set(DOCS) <= linked
    assert {ROOT / name for name in ("LICENSE", "SECURITY.md", "CHANGELOG.md", "CONTRIBUTING.md")} <= linked
