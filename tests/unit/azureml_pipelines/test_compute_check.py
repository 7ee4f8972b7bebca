"""Looking at computes before a job is submitted."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kfp_azureml.azureml_pipelines.compute_check import check_computes
from kfp_azureml.azureml_pipelines.placement import Placement, parse_placement
from kfp_azureml.runtime.errors import PipelineError


def client(**states: str) -> SimpleNamespace:
    computes = [
        SimpleNamespace(name=name.replace("_", "-"), provisioning_state=state) for name, state in states.items()
    ]
    return SimpleNamespace(workspace_name="w", compute=SimpleNamespace(list=lambda: iter(computes)))


def test_all_that_are_missing_are_named_with_those_there_are() -> None:
    placement = parse_placement(["cpu-cluster", "train=gpu-cluster", "score=old"])
    with pytest.raises(PipelineError) as caught:
        check_computes(client(old="Failed", small="Succeeded"), placement)
    assert str(caught.value) == (
        "no compute cpu-cluster; no compute gpu-cluster; compute old is Failed in workspace w (it has old, small): "
        "set another with --compute, or use --compute serverless"
    )
    check_computes(client(cpu_cluster="Succeeded"), parse_placement(["cpu-cluster"]))


def test_serverless_needs_none() -> None:
    nobody = SimpleNamespace()
    check_computes(nobody, Placement())
    check_computes(nobody, parse_placement(["train=serverless"]))
