"""Prep: all images from idx files to a training and a test set."""

from __future__ import annotations

from bench.context import Context
from bench.row import Goal, Row, at_most, compared
from bench.steps import baseline_prep, our_prep

MEGABYTE = 1e6


def measure_prep(context: Context) -> list[Row]:
    """Compare prep of the images as they are: the baseline writes CSV, ours Parquet, its default."""
    baseline, ours = [], []
    for number in range(context.scale.repeats):
        context.say(f"prep, {number + 1} of {context.scale.repeats}")
        baseline.append(baseline_prep(context, context.work / "baseline"))
        ours.append(our_prep(context, context.work / "ours"))
    images = sum(context.scale.images)
    return [
        compared(
            "prep: user CPU",
            "s",
            [u.user for u in baseline],
            [u.user for u in ours],
            at_most(1 / 40, 1 / 60),
            images=images,
        ),
        compared("prep: wall time", "s", [u.wall for u in baseline], [u.wall for u in ours]),
        compared(
            "prep: peak RSS",
            "MB",
            [u.peak_rss / MEGABYTE for u in baseline],
            [u.peak_rss / MEGABYTE for u in ours],
            Goal("ours", "at most", 150),
            images=images,
        ),
    ]
