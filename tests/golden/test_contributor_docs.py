"""What people who come by read, as far as a program can check it: links, make targets, versions."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version

import kfp_azureml
from console_blocks import arguments_of, commands
from locks import locked

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/versions.md")),
    ROOT / ".github" / "PULL_REQUEST_TEMPLATE.md",
]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
VERSIONS = (ROOT / "docs" / "versions.md").read_text()


def make_calls(text: str) -> list[list[str]]:
    """The words after `make` in the console blocks and code spans of a page."""
    spans = re.findall(r"`(make [^`]+)`", text)
    return [call for command in [*commands(text), *spans] for call in arguments_of("make", command)]


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_and_variable_exists(page: Path) -> None:
    for call in make_calls(page.read_text()):
        assert [word for word in call if "=" not in word and word not in TARGETS] == [], call
        for word in call:
            name, equals, _ = word.partition("=")
            assert not equals or re.search(rf"\b{name}\b", MAKEFILE), call


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_local_link_and_anchor_points_at_something(page: Path) -> None:
    for link in re.findall(r"\]\((?!https?://)([^)]+)\)", page.read_text()):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("command", commands((ROOT / "CONTRIBUTING.md").read_text()))
def test_bash_takes_every_command(command: str) -> None:
    done = subprocess.run(["bash", "-n"], input=command, capture_output=True, text=True, timeout=10, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_contributing_shows_every_way_to_test() -> None:
    shown = {word for call in make_calls((ROOT / "CONTRIBUTING.md").read_text()) for word in call}
    assert {target for target in TARGETS if target.startswith(("test", "lint", "fuzz"))} <= shown


def test_every_workflow_that_contributing_names_exists() -> None:
    named = set(re.findall(r"`([a-z]+\.yml)`", (ROOT / "CONTRIBUTING.md").read_text() + VERSIONS))
    assert named
    assert named <= {path.name for path in (ROOT / ".github" / "workflows").iterdir()}


def test_the_changelog_has_the_current_version_and_every_section_of_the_form() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    releases = re.findall(r"^## \[(.+?)\] - (\d{4}-\d\d-\d\d|Unreleased)$", text, re.MULTILINE)
    assert len(releases) == len(re.findall(r"^## ", text, re.MULTILINE))
    assert releases[0][0] == kfp_azureml.__version__
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.*)", text, re.MULTILINE)) <= kinds


def test_the_range_of_kfp_is_the_one_that_was_run() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    ranges = dict(re.findall(r'^ *"(kfp(?:-kubernetes)?)([<>=].*)",$', project, re.MULTILINE))
    assert set(ranges) == {"kfp", "kfp-kubernetes"}
    (allowed,) = {SpecifierSet(each) for each in ranges.values()}
    assert f"`kfp{ranges['kfp']}`" in VERSIONS
    rows = re.findall(r"^\| ([\d.]+) \| (\w+) \| (\w+) \|", VERSIONS, re.MULTILINE)
    assert {version: Version(version) in allowed for version, *_ in rows} == {
        version: results == ["same", "same"] for version, *results in rows
    }
    # Its lower end, which is the one that is locked.
    assert min(Version(version) for version, *_ in rows if Version(version) in allowed) == Version(locked("kfp"))


def test_the_locked_clients_of_azure_are_the_ones_in_the_lock() -> None:
    rows = re.findall(r"^\| (azure-[\w-]+)[^|]* \| ([\w.]+) \|$", VERSIONS, re.MULTILINE)
    assert len(rows) == 3
    assert {package: locked(package) for package, _ in rows} == dict(rows)
