"""The quality gate accepts and rejects by accuracy."""

import math

import pytest

from kfp_azureml.runtime.errors import PipelineError
from kfp_azureml.steps.quality_gate.quality_gate import judge


@pytest.mark.parametrize(
    ("accuracy", "accepted"), [(0.91, True), (0.9, True), (0.8999, False), (0.0, False), (math.nan, False)]
)
def test_only_an_accuracy_of_at_least_the_minimum_is_accepted(accuracy: float, accepted: bool) -> None:
    verdict = judge(accuracy, 0.9)
    assert verdict.accepted is accepted
    assert verdict.text.startswith("Accepted" if accepted else "Rejected")


@pytest.mark.parametrize("least", [90, -0.1, math.nan])
def test_a_minimum_outside_0_to_1_is_rejected(least: float) -> None:
    with pytest.raises(PipelineError, match="min_accuracy"):
        judge(0.95, least)


@pytest.mark.parametrize("accuracy", [90, -0.1, math.inf])
def test_an_accuracy_outside_0_to_1_is_rejected(accuracy: float) -> None:
    with pytest.raises(PipelineError, match=r"^accuracy is"):
        judge(accuracy, 0.9)
