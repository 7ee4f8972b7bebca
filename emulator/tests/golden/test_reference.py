"""REFERENCE.md names every option, control request, fault and package; README.md is usage only."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from azureml_emulator.cli import main
from azureml_emulator.test_control.api import control_app
from azureml_emulator.test_control.faults import KINDS

EMULATOR = Path(__file__).parents[2]
README, REFERENCE = ((EMULATOR / name).read_text() for name in ("README.md", "REFERENCE.md"))
PACKAGE = EMULATOR / "azureml_emulator"


def rows(heading: str) -> dict[str, str]:
    """Return the table rows of a section by their first cell."""
    (section,) = re.findall(rf"^##+ {heading}$(.*?)(?=^##+ |\Z)", REFERENCE, re.MULTILINE | re.DOTALL)
    cells = (re.split(r"(?<!\\)\|", line)[1:-1] for line in section.splitlines() if line.startswith("| `"))
    return {first.strip(): " ".join(rest) for first, *rest in cells}


def test_every_option_is_there_with_its_default() -> None:
    options = [each for each in main.commands["start"].params if isinstance(each, click.Option)]
    listed = {re.match(r"`(--[\w-]+)", first)[1]: row for first, row in rows("Options").items()}  # type: ignore[index]
    assert set(listed) == {each.opts[0] for each in options}
    for each in options:
        if each.show_default is True:
            assert listed[each.opts[0]].split()[-1].strip("`") == str(each.default)


def test_every_control_request_is_there() -> None:
    declared = {f"`{method} {route.path}`" for route in control_app("").routes for method in route.methods - {"HEAD"}}
    assert set(rows("Control API")) == declared


def test_every_fault_is_there() -> None:
    assert set(rows("Faults")) == {f"`{kind.__name__}`" for kind in KINDS.values()}


def test_every_package_is_there() -> None:
    named = {name.strip("/") for first in rows("Code") for name in re.findall(r"`([^`]+)`", first)}
    assert {folder.parent.name for folder in PACKAGE.glob("*/__init__.py")} <= named
    assert [name for name in named if not (PACKAGE / name).exists()] == []


@pytest.mark.parametrize("page", [README, REFERENCE], ids=["README.md", "REFERENCE.md"])
def test_links_and_modules_exist(page: str) -> None:
    titles = re.findall(r"^#+ (.+)$", REFERENCE, re.MULTILINE)
    anchors = {title.lower().replace(" ", "-") for title in titles}
    for file, anchor in re.findall(r"\]\((?!https)([\w.]*)#?([\w-]*)\)", page):
        assert not file or (EMULATOR / file).is_file()
        assert not anchor or anchor in anchors
    for module in re.findall(r"\b(?:machine|storage|hosts|jobs)/[\w/]+\.(?:py|js)\b", page):
        assert (PACKAGE / module).is_file()


def test_the_readme_has_at_most_120_lines() -> None:
    assert len(README.splitlines()) <= 120
