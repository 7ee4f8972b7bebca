"""Train: the baseline's accuracy at lower cost, and a better one at the same cost."""

from __future__ import annotations

import json
from pathlib import Path

from bench.context import Context
from bench.costs import peak_rss, user_cpu, wall_time
from bench.row import Goal, Row, accuracy, at_most
from bench.steps import baseline_prep, baseline_score, baseline_train, our_prep, our_score, our_train
from bench.usage import Usage

BASELINE_ACCURACY = 0.9001
"""Test accuracy of the original scripts; see README.md."""


def measure_train(context: Context) -> list[Row]:
    """Train and score both with several seeds; the baseline draws a new seed in each run."""
    scale = context.scale
    baseline_data, our_data = context.work / "baseline", context.work / "ours"
    baseline_prep(context, baseline_data)
    our_prep(context, our_data)
    baseline: list[tuple[Usage, float]] = []
    short: list[tuple[Usage, float]] = []
    long: list[tuple[Usage, float]] = []
    for seed in scale.seeds:
        context.say(f"train, seed {seed} of {', '.join(map(str, scale.seeds))}")
        model = context.work / "baseline-model"
        used = baseline_train(context, baseline_data, model, scale.baseline_epochs)
        baseline.append((used, _baseline_accuracy(baseline_data, model, context.work / "baseline-result")))
        for runs, epochs in ((short, scale.epochs_to_accuracy), (long, scale.epochs_for_budget)):
            model = context.work / f"our-model-{epochs}"
            used = our_train(our_data, model, epochs, seed)
            runs.append((used, _our_accuracy(our_data, model, context.work / "our-result")))
    return [
        *_rows(_name(scale.epochs_to_accuracy), baseline, short, (1 / 4, 1 / 8), (BASELINE_ACCURACY,)),
        *_rows(_name(scale.epochs_for_budget), baseline, long, (1.0,), (0.935, 0.94)),
        peak_rss("train", [used for used, _ in baseline], [used for used, _ in long], at_most(1 / 2)),
    ]


def _name(epochs: int) -> str:
    return f"train for {epochs} epoch{'s' if epochs > 1 else ''}"


def _rows(
    name: str,
    baseline: list[tuple[Usage, float]],
    ours: list[tuple[Usage, float]],
    ratios: tuple[float, ...],
    accuracies: tuple[float, ...],
) -> list[Row]:
    their_usage, our_usage = [used for used, _ in baseline], [used for used, _ in ours]
    return [
        user_cpu(name, their_usage, our_usage, at_most(*ratios)),
        wall_time(name, their_usage, our_usage),
        accuracy(
            f"{name}: test accuracy",
            [value for _, value in baseline],
            [value for _, value in ours],
            Goal("ours", "at least", *accuracies),
        ),
    ]


def _baseline_accuracy(data: Path, model: Path, result: Path) -> float:
    return float(baseline_score(data, model, result).output.rpartition("Final test accuracy: ")[2].split()[0])


def _our_accuracy(data: Path, model: Path, result: Path) -> float:
    our_score(data, model, result)
    return float(json.loads((result / "check.json").read_text())["accuracy"])
