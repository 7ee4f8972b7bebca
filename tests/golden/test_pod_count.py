"""Number of pods of a run of the shipped pipeline on Kubeflow, counted in its compiled form.

The rules follow the Argo Workflow that the API server of Kubeflow Pipelines 2.17.0 creates: a pod for the driver of
each DAG (the run, ExitHandler, If); for each step one for its driver, and one for the step unless it is cached. Argo's
own DAG nodes are not pods.
"""

from collections.abc import Collection
from typing import Any

import yaml

from kfp_azureml.compiling.sources import shipped_pipelines

AFTER_PREFLIGHT = {"aml-live-model", "prep", "train", "score", "quality-gate", "condition-2"}


def pods(
    pipeline: Any,
    dag: Any,
    *,
    refused: Collection[str] = (),
    cached: Collection[str] = (),
    unreached: Collection[str] = (),
) -> int:
    """Count a DAG's pods, including its driver's.

    Args:
        pipeline: The compiled document.
        dag: The DAG's component; `root` for the whole run.
        refused: Conditions that are not met; only their driver runs.
        cached: Cached steps.
        unreached: Tasks that never start, since an earlier one failed.
    """
    count = 1
    for name, task in dag["dag"]["tasks"].items():
        component = pipeline["components"][task["componentRef"]["name"]]
        if name in unreached:
            continue
        if "dag" not in component:
            count += 1 if name in cached else 2
        elif name in refused:
            count += 1
        else:
            count += pods(pipeline, component, refused=refused, cached=cached, unreached=unreached)
    return count


def shipped() -> Any:
    return next(yaml.safe_load_all((shipped_pipelines() / "image_classification.yaml").read_text()))


def test_a_run_makes_as_many_pods_as_the_page_says() -> None:
    pipeline = shipped()
    assert pods(pipeline, pipeline["root"]) == 21
    assert pods(pipeline, pipeline["root"], cached={"aml-live-model"}) == 20
    assert pods(pipeline, pipeline["root"], cached={"aml-live-model", "prep", "train", "score", "quality-gate"}) == 16
    assert pods(pipeline, pipeline["root"], cached={"aml-live-model"}, refused={"condition-2"}) == 16


def test_the_rules_give_what_was_recorded_of_a_run_that_failed_in_preflight() -> None:
    pipeline = shipped()
    # root-driver, exit-handler-1-driver, and driver and step of aml-preflight and of aml-reconcile.
    assert pods(pipeline, pipeline["root"], unreached=AFTER_PREFLIGHT) == 6


def test_exit_handler_and_condition_cost_one_driver_each() -> None:
    pipeline = shipped()
    dags = [name for name, component in pipeline["components"].items() if "dag" in component]
    assert sorted(dags) == ["comp-condition-2", "comp-exit-handler-1"]
    assert len(pipeline["deploymentSpec"]["executors"]) * 2 + len(dags) + 1 == pods(pipeline, pipeline["root"])
