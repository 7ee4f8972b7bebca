"""The quality gate's decision."""

import math

import pytest

from kfp_azureml.quality_gate.quality_gate import judge


@pytest.mark.parametrize(
    ("accuracy", "accepted"), [(0.91, True), (0.9, True), (0.8999, False), (0.0, False), (math.nan, False)]
)
def test_only_what_reaches_the_threshold_passes(accuracy: float, accepted: bool) -> None:
    verdict = judge(accuracy, 0.9)
    assert verdict.accepted is accepted
    assert verdict.text.startswith("Accepted" if accepted else "Rejected")
