"""Prep: all images from idx files to a training and a test set."""

from __future__ import annotations

import hashlib
from pathlib import Path

from bench.context import Context
from bench.costs import peak_rss, user_cpu, wall_time
from bench.row import Goal, Row, at_most
from bench.steps import baseline_prep, our_prep
from bench.usage import CommandError

ALL_IMAGES = (60_000, 10_000)
ORIGINAL_CSV = {
    "training/mnist_train.csv": "5d2fddd82cbc2bcf093453e3c38bcce13ebd79ab4b5736061e7d4c971621d9f3",
    "test/mnist_test.csv": "681d415e1f1ccf067348035f6fa719d4025e6c8a04d214a33caebf2c812936fd",
}
"""sha256 of the original example's files for all images."""


def measure_prep(context: Context) -> list[Row]:
    """Compare prep: the baseline writes CSV, ours its default, Parquet."""
    baseline, ours = [], []
    for number in range(context.scale.repeats):
        context.say(f"prep, {number + 1} of {context.scale.repeats}")
        baseline.append(baseline_prep(context, context.work / "baseline"))
        ours.append(our_prep(context, context.work / "ours"))
    if context.scale.images == ALL_IMAGES:
        _check_baseline(context.work / "baseline")
    images = sum(context.scale.images)
    return [
        user_cpu("prep", baseline, ours, at_most(1 / 40, 1 / 60), images=images),
        wall_time("prep", baseline, ours),
        peak_rss("prep", baseline, ours, Goal("ours", "at most", 150), images=images),
    ]


def _check_baseline(folder: Path) -> None:
    for name, expected in ORIGINAL_CSV.items():
        with (folder / name).open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != expected:
                raise CommandError(f"{folder / name}: the file differs from the original example's")
