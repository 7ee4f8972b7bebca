"""The workflows in .github call our make targets, with few rights and with timeouts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from azure_plan import Level
from console_blocks import arguments_of

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
ACTIONS = sorted((GITHUB / "actions").glob("*/action.yml"))
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
USED = re.compile(r"^\s*(?:- )?uses: *(.*)$", re.MULTILINE)
PINNED = re.compile(r"([\w-]+/[\w-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)")
"""By commit, which nobody can move, with its tag for people and dependabot."""


def read(path: Path) -> dict[Any, Any]:
    document = yaml.safe_load(path.read_text())
    assert isinstance(document, dict)
    return document


def jobs(path: Path) -> dict[str, dict[str, Any]]:
    found = read(path)["jobs"]
    assert isinstance(found, dict)
    return found


def steps(path: Path) -> list[dict[str, Any]]:
    if path in ACTIONS:
        return list(read(path)["runs"]["steps"])
    return [step for job in jobs(path).values() for step in job.get("steps", [])]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_read_by_default_and_write_only_where_a_job_says_so(path: Path) -> None:
    permissions = read(path)["permissions"]
    assert set(permissions.values()) <= {"read"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_job_has_a_timeout_and_a_workflow_does_not_race_itself(path: Path) -> None:
    assert read(path)["concurrency"]
    for name, job in jobs(path).items():
        assert "uses" in job or job["timeout-minutes"] <= 240, name


def test_every_action_is_pinned_to_one_commit_or_ours() -> None:
    pins: dict[str, set[tuple[str, str]]] = {}
    for path in [*WORKFLOWS, *ACTIONS]:
        used = USED.findall(path.read_text())
        assert len(used) == sum("uses" in step for step in steps(path)), path
        for action in used:
            if not (GITHUB.parent / action / "action.yml").is_file():
                pinned = PINNED.fullmatch(action)
                assert pinned, f"{path.name}: {action}"
                pins.setdefault(pinned[1], set()).add((pinned[2], pinned[3]))
    assert {name: found for name, found in pins.items() if len(found) > 1} == {}


@pytest.mark.parametrize("path", [*WORKFLOWS, *ACTIONS], ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_script_has_an_expression_pasted_into_it(path: Path) -> None:
    # The name of a title or branch would be executed; it is passed in `env` instead.
    for step in steps(path):
        assert "${{" not in step.get("run", "")


@pytest.mark.parametrize("path", [*WORKFLOWS, *ACTIONS], ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_make_target_exists(path: Path) -> None:
    lines = [line for step in steps(path) for line in step.get("run", "").splitlines() if line.startswith("make ")]
    for line in lines:
        (call,) = arguments_of("make", line)
        assert [word for word in call if "=" not in word and word not in TARGETS] == [], line


def test_a_token_is_never_left_in_a_checkout() -> None:
    for path in WORKFLOWS:
        for step in steps(path):
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False, path


def test_publishing_needs_no_stored_token() -> None:
    job = jobs(GITHUB / "workflows" / "publish.yml")["publish"]
    assert job["permissions"] == {"id-token": "write"}
    assert "secrets." not in (GITHUB / "workflows" / "publish.yml").read_text()


def test_azure_is_started_by_hand_with_consent_and_without_a_stored_secret() -> None:
    path = GITHUB / "workflows" / "azure.yml"
    document = read(path)
    (started_by,) = (document["on"] if "on" in document else document[True]).items()  # YAML 1.1 reads `on` as true
    assert started_by[0] == "workflow_dispatch"
    assert started_by[1]["inputs"]["consent"]["default"] is False
    (job,) = jobs(path).values()
    assert (job["environment"], job["permissions"]) == ("azure", {"contents": "read", "id-token": "write"})
    assert "secrets." not in path.read_text()
    test = next(step for step in job["steps"] if "make test-azure\n" in step.get("run", ""))
    assert test["env"] == {"LEVEL": "${{ inputs.level }}", "YES": "${{ inputs.consent && '1' || '' }}"}
    # However the test ended: first the cleanup, then its traffic.
    after = job["steps"][job["steps"].index(test) + 1 :]
    assert [step["if"] for step in after] == ["always()"] * 2
    assert after[0]["run"] == "make test-azure LEVEL=clean-up\n"
    assert after[1]["with"]["path"] == "dist/azure-traffic"


def test_the_levels_of_azure_are_those_of_test_azure() -> None:
    document = read(GITHUB / "workflows" / "azure.yml")
    inputs = document.get("on", document.get(True))["workflow_dispatch"]["inputs"]
    assert inputs["level"]["options"] == list(Level)
    assert inputs["level"]["default"] == Level.READ


def test_every_supported_python_is_tested() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    supported = re.findall(r"Programming Language :: Python :: (3\.\d+)", project)
    assert jobs(GITHUB / "workflows" / "ci.yml")["test"]["strategy"]["matrix"]["python"] == supported


@pytest.mark.parametrize("path", sorted((GITHUB / "ISSUE_TEMPLATE").glob("[!c]*.yml")), ids=lambda path: path.name)
def test_an_issue_form_has_fields_with_their_own_ids(path: Path) -> None:
    form = read(path)
    assert {"name", "description", "body"} <= form.keys()
    ids = [field["id"] for field in form["body"] if field["type"] != "markdown"]
    assert ids
    assert len(ids) == len(set(ids))
