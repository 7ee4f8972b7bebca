"""From rows of tasks to pods: against the rows recorded from a real run, and variants of them."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kfp_azureml.kubeflow.argo_nodes import is_inside, node_id, node_names, pods_of

WORKFLOW = "image-classification-zbeth"
REAL_ROWS = json.loads(Path(__file__).with_name("real_rows.json").read_text())


def row(name: str | None, *children: str) -> Any:
    return SimpleNamespace(display_name=name, child_tasks=[SimpleNamespace(pod_name=one) for one in children] or None)


def rows_of(*names: str) -> list[Any]:
    """Rows of the nodes of these names, each with what follows it in the list as its only child."""
    nodes = [node_id("wf", name) if name != "wf" else "wf" for name in names]
    return [row(name.rpartition(".")[2], *nodes[place + 1 : place + 2]) for place, name in enumerate(names)]


@pytest.fixture
def recorded() -> list[Any]:
    return [row(name, *(f"{WORKFLOW}-{child}" for child in children)) for name, _, _, _, children in REAL_ROWS]


def test_every_recorded_node_has_a_name(recorded: list[Any]) -> None:
    ids = {child.pod_name for one in recorded for child in one.child_tasks or []}
    names = node_names(recorded)
    assert names.keys() == ids
    assert all(node_id(WORKFLOW, name) == node for node, name in names.items())


@pytest.mark.parametrize(
    ("name", "pod"),
    [
        ("aml-preflight", "retry-system-container-impl-933447638"),
        ("aml-reconcile", "retry-system-container-impl-3958521712"),
        ("aml-preflight-driver", "system-container-driver-50530761"),
    ],
)
def test_a_recorded_step_has_its_pod(recorded: list[Any], name: str, pod: str) -> None:
    of_name = next(one for one in recorded if one.display_name == name)
    assert pods_of(of_name, node_names(recorded))[0] == f"{WORKFLOW}-{pod}"


def test_a_step_that_did_not_run_has_none(recorded: list[Any]) -> None:
    assert pods_of(next(one for one in recorded if one.display_name == "train"), node_names(recorded)) == []


def test_the_last_attempt_comes_first() -> None:
    above = "wf.prep.executor"
    rows = rows_of("wf", "wf.prep", above)
    attempts = [f"{above}({number})" for number in range(11)]
    rows[-1].child_tasks = [SimpleNamespace(pod_name=node_id("wf", name)) for name in attempts]
    rows += [row(name.rpartition(".")[2]) for name in attempts]
    digests = [pod.rpartition("-")[2] for pod in pods_of(rows[1], node_names(rows))]
    assert digests[0] == node_id("wf", attempts[10]).rpartition("-")[2]
    assert digests[-1] == node_id("wf", attempts[0]).rpartition("-")[2]


def test_without_attempts_the_node_itself_is_the_pod() -> None:
    rows = rows_of("wf", "wf.prep", "wf.prep.executor")
    digest = node_id("wf", "wf.prep.executor").rpartition("-")[2]
    assert pods_of(rows[1], node_names(rows))[:2] == [
        f"wf-retry-system-container-impl-{digest}",
        f"wf-system-container-impl-{digest}",
    ]


def test_iterations_of_a_loop_are_told_apart() -> None:
    first = rows_of("wf", "wf.loop(0:a)", "wf.loop(0:a).prep", "wf.loop(0:a).prep.executor")
    second = rows_of("wf", "wf.loop(1:b)", "wf.loop(1:b).prep", "wf.loop(1:b).prep.executor")
    names = node_names([*first, *second])
    digests = [pods_of(rows[2], names)[0].rpartition("-")[2] for rows in (first, second)]
    assert digests == [node_id("wf", f"wf.loop({n}:{x}).prep.executor").rpartition("-")[2] for n, x in ("0a", "1b")]


@pytest.mark.parametrize("rows", [[], [row(None)], [row("prep")], [row("prep", "odd"), row(None, "")]])
def test_rows_that_say_too_little_have_no_pods(rows: list[Any]) -> None:
    assert node_names(rows) == {}
    assert all(pods_of(one, {}) == [] for one in rows if one.display_name)


def test_a_node_is_inside_its_step_whatever_the_attempt() -> None:
    name = "wf(0).root(0).prep(1).executor(0)"
    assert is_inside(name, "prep")
    assert not is_inside(name, "prep-driver")
    assert not is_inside(name, "pre")
