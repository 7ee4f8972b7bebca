"""Accept or reject a scored model by a metric's minimum, and by the live model on the same images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kfp_azureml.models import model_json
from kfp_azureml.models.gate_settings import GateSettings
from kfp_azureml.models.live_model import LiveComparison, comparison_from
from kfp_azureml.runtime.errors import PipelineError
from kfp_azureml.runtime.step import progress, report

_ROUNDING = 1e-9
"""Metrics are quotients of whole numbers: .92 has to be at least .91 + .01."""


@dataclass(frozen=True)
class Verdict:
    """The decision of the quality gate.

    Attributes:
        accepted: Whether the model may be registered.
        text: The decision in one sentence.
        values: The metric of the new model, and that of the live one if they were compared, by name.
    """

    accepted: bool
    text: str
    values: dict[str, float] = field(default_factory=dict)


def read_scores(scores: Mapping[str, Any]) -> tuple[dict[str, float], LiveComparison | None]:
    """Return the metrics and the comparison in an output `scores` of the score step.

    Raises:
        PipelineError: If they are invalid.
    """
    metrics = {name: value for name, value in scores.items() if name != "live"}
    try:
        live = comparison_from(model_json.mapping(scores["live"], "'live'")) if "live" in scores else None
        return model_json.numbers(metrics, "scores"), live
    except ValueError as error:
        raise PipelineError(f"scores: {error}: pass the output scores of the score step") from error


def judge(metrics: Mapping[str, float], settings: GateSettings, live: LiveComparison | None = None) -> Verdict:
    """Compare a model with its minimum and the live model, and report the verdict to the run summary.

    A live model that could not be compared rejects nothing.

    Args:
        metrics: The model's metrics on the test set, 0 to 1, by name. NaN is rejected.
        settings: What it has to reach.
        live: The live model on the same images; None without a comparison.

    Raises:
        PipelineError: If the metric is missing or not from 0 to 1.
    """
    metric, minimum = settings.metric, settings.minimum
    if metric not in metrics:
        raise PipelineError(f"metric {metric}: not measured: pass the output scores of the score step")
    value = metrics[metric]
    if value < 0 or value > 1:  # NaN is rejected below
        raise PipelineError(f"{metric} is {value:g}; expected a number from 0 to 1")
    values = {metric: value}
    accepted = value >= minimum
    text = f"{metric} {value:.4f} {'reaches' if accepted else 'is below'} {minimum:.4f}"
    if live:
        name = f"live model {live.model}" if live.model else "live model"
        if live.not_compared:
            text += f"; {name} not compared: {live.not_compared}"
        else:
            if not 0 <= live.metrics.get(metric, -1) <= 1:
                raise PipelineError(f"{metric} of the {name}: not measured, or not from 0 to 1")
            values[f"live_{metric}"] = live.metrics[metric]
            not_worse = value - live.metrics[metric] >= settings.min_improvement - _ROUNDING
            text += f", {'and' if accepted == not_worse else 'but'} " + _beside(
                live.metrics[metric], name, settings.min_improvement, not_worse=not_worse
            )
            text += f" (McNemar p = {live.p_value:.2g})"
            accepted = accepted and not_worse
    text = f"{'Accepted' if accepted else 'Rejected'}: {text}"
    progress(text)
    report(accepted=accepted, verdict=text)
    return Verdict(accepted, text, values)


def _beside(live: float, name: str, min_improvement: float, *, not_worse: bool) -> str:
    """Say how the model compares, such as `is below the 0.9300 of live model fashion:3`."""
    margin = f" {'plus' if min_improvement > 0 else 'minus'} {abs(min_improvement):.4f}" if min_improvement else ""
    return f"{'reaches' if not_worse else 'is below'} the {live:.4f} of {name}{margin}"
