"""Score: all test images, whole process."""

from __future__ import annotations

from bench.context import Context
from bench.costs import peak_rss, user_cpu, wall_time
from bench.row import Row, at_most
from bench.steps import FEWEST_EPOCHS, baseline_prep, baseline_score, baseline_train, our_prep, our_score, our_train


def measure_score(context: Context) -> list[Row]:
    """Compare scoring; the cost does not depend on how well the models are trained."""
    baseline_data, our_data = context.work / "baseline", context.work / "ours"
    baseline_model, our_model = context.work / "baseline-model", context.work / "our-model"
    context.say("score: training a model for each side")
    baseline_prep(context, baseline_data)
    our_prep(context, our_data)
    baseline_train(context, baseline_data, baseline_model, epochs=1)
    our_train(our_data, our_model, FEWEST_EPOCHS, seed=1)
    baseline, ours = [], []
    for number in range(context.scale.repeats):
        context.say(f"score, {number + 1} of {context.scale.repeats}")
        baseline.append(baseline_score(baseline_data, baseline_model, context.work / "baseline-result"))
        ours.append(our_score(our_data, our_model, context.work / "our-result"))
    return [
        user_cpu("score", baseline, ours, at_most(1 / 6, 1 / 12)),
        wall_time("score", baseline, ours),
        peak_rss("score", baseline, ours, at_most(1 / 4)),
    ]
