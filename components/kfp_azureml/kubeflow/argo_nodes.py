"""Map task details of Kubeflow's API ("rows") to nodes and pods of the Argo workflow.

A row contains no node id of its own, only those of its children (`child_tasks[].pod_name`). Argo's node id consists of
the workflow's name and the 32-bit FNV-1a hash of the node's name, and a node's name of its parent's name and its own.
So a guessed name is correct if its hash is among the ids. Verified with a recorded run: all 33 ids of its 34 rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

_ATTEMPT = re.compile(r"(?P<name>.*)\(\d+\)", re.DOTALL)
_TEMPLATES = {
    # Argo templates with and without retries (argocompiler/container.go, dag.go); POD_NAMES=v1 uses the node id.
    "executor": ("-retry-system-container-impl", "-system-container-impl", ""),
    "driver": ("-system-container-driver", "-system-dag-driver", ""),
}


def node_names(rows: Iterable[Any]) -> dict[str, str]:
    """Return the names of the workflow's nodes by id, as far as the rows determine them."""
    rows = list(rows)
    ids = {child.pod_name for row in rows for child in row.child_tasks or [] if child.pod_name}
    shown = {row.display_name for row in rows if row.display_name}
    workflow = next((name for name in shown if any(_prefix(one) == name for one in ids)), "")
    names: dict[str, str] = {}
    new = [workflow] if workflow else []
    while new:
        above = new.pop()
        last = above.rpartition(".")[2]
        for one in shown:
            attempt = _ATTEMPT.fullmatch(one)
            joined = [
                f"{above}.{one}",
                *([f"{above}{one[len(last) :]}"] if attempt and attempt["name"] == last else []),
            ]
            for name in joined:
                node = node_id(workflow, name)
                if node in ids and node not in names:
                    names[node] = name
                    new.append(name)
    return names


def node_id(workflow: str, name: str) -> str:
    """Return Argo's id of a node."""
    digest = 2166136261
    for byte in name.encode():
        digest = (digest ^ byte) * 16777619 & 0xFFFFFFFF
    return f"{workflow}-{digest}"


def pods_of(row: Any, names: dict[str, str]) -> list[str]:
    """Return possible names of the pods of a step or driver, the last attempt first."""
    kind = "driver" if row.display_name.endswith("-driver") else "executor"
    above = _name_of(row, names)
    found = [(name, node) for node, name in names.items() if _is_pod(name, above, kind)]
    found.sort(key=lambda one: (len(one[0]), one[0]), reverse=True)
    # With retries, only the attempts have pods.
    attempts = [(name, node) for name, node in found if name.endswith(")")] or found
    return [pod for _, node in attempts for pod in _pod_names(node, kind)]


def is_inside(node_name: str, row_name: str) -> bool:
    """Tell whether a node belongs to a step or driver of this name."""
    parts = [_without_attempt(part) for part in node_name.split(".")]
    return row_name in parts


def _name_of(row: Any, names: dict[str, str]) -> str:
    children = {child.pod_name for child in row.child_tasks or []}
    same = [name for name in names.values() if name.rpartition(".")[2] == row.display_name]
    # The iterations of a loop have the same row name, but different children.
    own = [name for name in same if any(names.get(child, "").startswith(name) for child in children)]
    return next(iter(own or same), "")


def _is_pod(name: str, above: str, kind: str) -> bool:
    if not above or not name.startswith(above):
        return False
    rest = name[len(above) :]
    if kind == "driver":
        return rest == "" or bool(re.fullmatch(r"\(\d+\)", rest))
    return bool(re.fullmatch(r"(\(\d+\))?\.executor(\(\d+\))?", rest))


def _pod_names(node: str, kind: str) -> list[str]:
    workflow, _, digest = node.rpartition("-")
    return [f"{workflow}{template}-{digest}" for template in _TEMPLATES[kind]]


def _prefix(node: str) -> str:
    return node.rpartition("-")[0]


def _without_attempt(name: str) -> str:
    attempt = _ATTEMPT.fullmatch(name)
    return attempt["name"] if attempt else name
