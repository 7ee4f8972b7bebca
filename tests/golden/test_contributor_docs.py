"""CONTRIBUTING.md, CHANGELOG.md and docs/versions.md, against the code that they describe."""

from __future__ import annotations

import re

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version

import kfp_azureml
from locks import locked
from pages import ROOT, TARGETS, make_calls

CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
VERSIONS = (ROOT / "docs" / "versions.md").read_text()
NAMED_PATH = re.compile(r"`([\w.<>*-]+/[\w.<>*/-]*)`")


def test_every_path_that_contributing_names_exists() -> None:
    named = NAMED_PATH.findall(CONTRIBUTING)
    assert len(named) > 20
    assert [path for path in named if not any(ROOT.glob(re.sub(r"<\w+>", "*", path)))] == []


@pytest.mark.parametrize(
    ("topic", "content"),
    [
        ("exceeded quota", '"OutOfQuota":'),
        ("such an error prints", "def explain("),
        ("canary steps", "CANARY_STEPS ="),
        ("how traffic shifts", "set_traffic("),
        ("which routes a host", "Host("),
    ],
)
def test_a_topic_leads_to_the_file_that_has_it(topic: str, content: str) -> None:
    (row,) = (line for line in CONTRIBUTING.splitlines() if line.startswith("| ") and topic in line)
    (path,) = NAMED_PATH.findall(row)
    assert content in (ROOT / path).read_text()


def test_contributing_shows_every_way_to_test() -> None:
    shown = {word for call in make_calls(CONTRIBUTING) for word in call}
    assert {target for target in TARGETS if target.startswith(("test", "lint", "fuzz"))} <= shown


def test_every_workflow_that_contributing_names_exists() -> None:
    named = set(re.findall(r"`([a-z]+\.yml)`", CONTRIBUTING + VERSIONS))
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
