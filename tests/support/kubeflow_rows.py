"""Task rows as the real server lists them for a run of our pipeline: Argo's nodes, drivers and attempts.

Recorded from Kubeflow Pipelines 2.17.0, where a controller default gives each node attempts: 34 rows for a run whose
first step fails, 51 or more for a complete one. Nodes that did not run have neither state nor attempts, and the cache
adds rows without state and name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from kfp_azureml.kubeflow.argo_nodes import node_id

WORKFLOW = "image-classification-zbeth"
STEPS = ("aml-preflight", "prep", "train", "score", "quality-gate")
INSIDE_CONDITION = ("aml-register-model", "aml-deploy-model")
EXIT_STEP = "aml-reconcile"
ORDER = (*STEPS, *INSIDE_CONDITION, EXIT_STEP)
CREATED = "2026-11-27T20:58:53Z"


def executor_pod(step: str, attempt: int = 0, *, retries: bool = True) -> str:
    """Return the name of a step's pod.

    Args:
        step: Name of the step in the pipeline.
        attempt: Number of the attempt.
        retries: Whether the step is compiled with retries, which changes the pod name.
    """
    node = node_id(WORKFLOW, f"{_above(step)}.{step}(0).executor({attempt})")
    template = "retry-system-container-impl" if retries else "system-container-impl"
    return f"{WORKFLOW}-{template}-{node.rpartition('-')[2]}"


def driver_pod(step: str) -> str:
    """Return the name of the pod of a step's driver."""
    node = node_id(WORKFLOW, f"{_above(step)}.{step}-driver(0)")
    return f"{WORKFLOW}-system-container-driver-{node.rpartition('-')[2]}"


def node_name(step: str, attempt: int = 0) -> str:
    """Return the name of the node of a step's pod, as an annotation of the pod has it."""
    return f"{_above(step)}.{step}(0).executor({attempt})"


def workflow_rows(state: str, *, drivers: dict[str, str] | None = None, **steps: str) -> list[dict[str, Any]]:
    """Return all rows of a run.

    Args:
        state: State of the run and its groups.
        drivers: Unusual states of drivers by step; a step whose driver failed has no state.
        **steps: States of started steps, by name with `_` for `-`.
    """
    rows = _Rows()
    states = {name.replace("_", "-"): one for name, one in steps.items()}
    rows.node(WORKFLOW, state)
    rows.driver(f"{WORKFLOW}(0).root", "SUCCEEDED")
    rows.node(f"{WORKFLOW}(0).root", state)
    group = f"{WORKFLOW}(0).root(0).exit-handler-1"
    rows.driver(group, "SUCCEEDED")
    rows.node(group, state)
    condition = "RUNNING" if any(step in states for step in INSIDE_CONDITION) else ""
    rows.driver(f"{group}(0).condition-2", "SUCCEEDED" if condition else "")
    rows.node(f"{group}(0).condition-2", state if condition else "")
    exiting = states.get(EXIT_STEP, "")
    if exiting:
        rows.node(f"{group}.onExit", state)
    for step in (*STEPS, *(INSIDE_CONDITION if condition else ()), *([EXIT_STEP] if exiting else [])):
        own = states.get(step, "")
        rows.driver(f"{_above(step)}.{step}", (drivers or {}).get(step, "SUCCEEDED" if own else ""))
        rows.node(f"{_above(step)}.{step}", own)
        if own:
            rows.node(f"{_above(step)}.{step}(0).executor", own)
        if own == "SUCCEEDED":
            rows.add({"create_time": CREATED, "start_time": _ZERO, "end_time": CREATED, "execution_id": "7"})
    return rows.listed()


_ZERO = "1970-01-01T00:00:00Z"  # the server's word for no time


def _minute(number: int) -> str:
    return f"2026-11-27T21:{number:02}:00Z"


def _above(step: str) -> str:
    group = f"{WORKFLOW}(0).root(0).exit-handler-1"
    if step == EXIT_STEP:
        return f"{group}.onExit(0)"
    return f"{group}(0).condition-2(0)" if step in INSIDE_CONDITION else f"{group}(0)"


@dataclass
class _Rows:
    """Collects rows and links each to its children."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def driver(self, name: str, state: str) -> None:
        self.node(f"{name}-driver", state)

    def node(self, name: str, state: str) -> None:
        """Add a node and, if it has run, its first attempt."""
        for one in (name, f"{name}(0)") if state else (name,):
            self.names.append(one)
            # The group that follows an exit handler has a dot in its own name.
            shown = "exit-handler-1.onExit" + one[len(name) :] if name.endswith(".onExit") else one.rpartition(".")[2]
            ended = state not in ("RUNNING", "PENDING")
            begun = next((number for number, step in enumerate(ORDER) if f".{step}" in one), 0)
            times = {"start_time": _minute(begun), "end_time": _minute(begun + 1) if ended else _ZERO}
            history = {"update_time": CREATED, **({"state": state} if state else {})}
            known = {"state": state} if state else {}
            self.add({"display_name": shown, "create_time": CREATED, **times, **known, "state_history": [history]})

    def add(self, row: dict[str, Any]) -> None:
        self.rows.append({"task_id": str(uuid4()), **row})

    def listed(self) -> list[dict[str, Any]]:
        named = [row for row in self.rows if "display_name" in row]
        for row, name in zip(named, self.names, strict=True):
            inside = [other for other in self.names if _is_child(other, name)]
            if inside:
                row["child_tasks"] = [{"pod_name": node_id(WORKFLOW, other)} for other in inside]
        return sorted(self.rows, key=lambda row: row["task_id"])


def _is_child(name: str, above: str) -> bool:
    if name == f"{above}(0)":
        return True
    return above.endswith("(0)") and name.startswith(f"{above}.") and "(0)" not in name[len(above) :]
