"""The quality gate: minimum, metric, and the live model."""

import math
from pathlib import Path

import pytest
from kfp import dsl

from kfp_azureml.models.gate_settings import GateSettings
from kfp_azureml.models.live_model import LiveComparison
from kfp_azureml.runtime.errors import PipelineError
from kfp_azureml.steps.quality_gate.component import quality_gate
from kfp_azureml.steps.quality_gate.quality_gate import judge, read_scores

LIVE = LiveComparison("fashion:3", {"accuracy": 0.92, "macro_f1": 0.9, "worst_recall": 0.7, "loss": 0.3}, 30, 20, 0.2)
METRICS = {"accuracy": 0.93, "macro_f1": 0.8, "worst_recall": 0.7}


@pytest.mark.parametrize(
    ("accuracy", "accepted"), [(0.91, True), (0.9, True), (0.8999, False), (0.0, False), (math.nan, False)]
)
def test_only_an_accuracy_of_at_least_the_minimum_is_accepted(accuracy: float, accepted: bool) -> None:
    verdict = judge({"accuracy": accuracy}, GateSettings(0.9))
    assert verdict.accepted is accepted
    assert verdict.text.startswith("Accepted" if accepted else "Rejected")


@pytest.mark.parametrize("least", [90, -0.1, math.nan])
@pytest.mark.parametrize("name", ["min_accuracy", "min_metric"])
def test_a_minimum_outside_0_to_1_is_rejected(name: str, least: float) -> None:
    with pytest.raises(PipelineError, match=name):
        GateSettings(**{"min_accuracy": 0.9, "metric": "macro_f1", name: least})


@pytest.mark.parametrize("accuracy", [90, -0.1, math.inf])
def test_an_accuracy_outside_0_to_1_is_rejected(accuracy: float) -> None:
    with pytest.raises(PipelineError, match=r"^accuracy is"):
        judge({"accuracy": accuracy}, GateSettings(0.9))


@pytest.mark.parametrize(
    ("metric", "minimum", "accepted"),
    [("macro_f1", 0.8, True), ("macro_f1", 0.81, False), ("worst_recall", 0.7, True), ("worst_recall", 0.71, False)],
)
def test_another_metric_has_its_own_minimum_and_accuracy_none(metric: str, minimum: float, accepted: bool) -> None:
    verdict = judge(METRICS, GateSettings(1.0, metric, minimum))
    assert verdict.accepted is accepted
    assert f"{metric} {METRICS[metric]:.4f}" in verdict.text


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"metric": "f1"}, "metric 'f1': expected one of accuracy, macro_f1, worst_recall"),
        ({"min_metric": 0.8}, "min_metric is for metrics other than accuracy: set min_accuracy"),
        ({"min_improvement": math.nan}, "min_improvement is nan; expected a number from -1 to 1"),
    ],
)
def test_settings_that_make_no_sense_are_one_line(given: dict, said: str) -> None:
    with pytest.raises(PipelineError) as refused:
        GateSettings(0.9, **given)
    assert str(refused.value) == said


@pytest.mark.parametrize(
    ("accuracy", "min_improvement", "accepted"),
    [
        (0.93, 0.0, True),
        (0.92, 0.0, True),
        (0.9199, 0.0, False),
        (0.93, 0.01, True),  # although .93 - .92 is a little less than .01 in floating point
        (0.93, 0.011, False),
        (0.915, -0.01, True),
        (0.905, -0.01, False),
    ],
)
def test_a_model_has_to_be_as_good_as_the_live_one(accuracy: float, min_improvement: float, accepted: bool) -> None:
    verdict = judge({"accuracy": accuracy}, GateSettings(0.9, min_improvement=min_improvement), LIVE)
    assert verdict.accepted is accepted
    assert "0.9200 of live model fashion:3" in verdict.text
    assert verdict.values == {"accuracy": accuracy, "live_accuracy": 0.92}


def test_a_model_better_than_the_live_one_still_has_to_reach_the_minimum() -> None:
    verdict = judge({"accuracy": 0.93}, GateSettings(0.95), LIVE)
    assert not verdict.accepted
    assert verdict.text == (
        "Rejected: accuracy 0.9300 is below 0.9500, but reaches the 0.9200 of live model fashion:3 (McNemar p = 0.2)"
    )


def test_the_live_model_is_compared_by_the_metric() -> None:
    assert not judge(METRICS, GateSettings(0.9, "macro_f1", 0.5), LIVE).accepted
    assert judge(METRICS, GateSettings(0.9, "worst_recall", 0.5), LIVE).accepted


def test_a_live_model_that_cannot_be_compared_rejects_nothing() -> None:
    other = LiveComparison("fashion:3", {}, not_compared="its images are 28x28x1; those of the new model are 64x64x3")
    verdict = judge({"accuracy": 0.93}, GateSettings(0.9), other)
    assert verdict.accepted
    assert verdict.text == (
        "Accepted: accuracy 0.9300 reaches 0.9000; live model fashion:3 not compared: its images are 28x28x1; those "
        "of the new model are 64x64x3"
    )


def test_without_scores_only_the_accuracy_can_be_judged() -> None:
    metrics, live = read_scores({})
    assert live is None
    with pytest.raises(PipelineError, match="metric macro_f1: not measured: pass the output scores of the score step"):
        judge({**metrics, "accuracy": 0.9}, GateSettings(0.9, "macro_f1", 0.5), live)


@pytest.mark.parametrize("scores", [{"macro_f1": "high"}, {"live": 1}, {"live": {"model": "fashion:3"}}])
def test_scores_of_another_kind_are_one_line(scores: dict) -> None:
    with pytest.raises(PipelineError, match=r"^scores: .*: pass the output scores of the score step$"):
        read_scores(scores)


def test_the_verdict_is_markdown_with_the_numbers_as_metadata(tmp_path: Path) -> None:
    verdict = dsl.Markdown("verdict", str(tmp_path / "verdict.md"))
    scores = {**METRICS, "live": {**vars(LIVE), "metrics": LIVE.metrics}}
    answer = quality_gate.python_func(verdict, 0.93, 0.9, "macro_f1", 0.75, 0.0, scores)
    assert answer == "rejected"
    assert (tmp_path / "verdict.md").read_text().startswith("**Rejected: macro_f1 0.8000 reaches 0.7500, but is below")
    assert verdict.metadata == {"macro_f1": 0.8, "live_macro_f1": 0.9, "accepted": False}


def test_what_a_foreign_model_says_is_no_markdown(tmp_path: Path) -> None:
    verdict = dsl.Markdown("verdict", str(tmp_path / "verdict.md"))
    live = {**vars(LIVE), "not_compared": "no op ![x](http://foreign.test/x.png)<img src=x>"}
    quality_gate.python_func(verdict, 0.93, 0.9, "accuracy", 0.0, 0.0, {"accuracy": 0.93, "live": live})
    text = (tmp_path / "verdict.md").read_text()
    assert r"\!\[x\](http://foreign.test/x.png)\<img src=x\>" in text


@pytest.mark.parametrize("metrics", [{}, {"accuracy": -1.0}, {"accuracy": 1e300}])
def test_a_live_model_without_the_metric_is_one_line(metrics: dict) -> None:
    with pytest.raises(PipelineError, match="accuracy of the live model fashion:3: not measured, or not from 0 to 1"):
        judge({"accuracy": 0.93}, GateSettings(0.9), LiveComparison("fashion:3", metrics))
