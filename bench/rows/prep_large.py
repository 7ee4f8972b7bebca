"""Prep of a multiple of the data: time must grow no faster than the data, memory not."""

from __future__ import annotations

import shutil

from bench.context import Context
from bench.costs import peak_rss
from bench.data import idx_files
from bench.row import Row, at_most, compared
from bench.steps import our_prep
from bench.usage import Usage

REPEATS = 3


def measure_prep_large(context: Context) -> list[Row]:
    """Compare ours with its own cost at 1x, times the factor."""
    output = context.work / "ours-large"
    rows: list[Row] = []
    for factor in context.scale.factors:
        before, after = [], []
        for number in range(REPEATS):
            context.say(f"prep of {factor} times the data, {number + 1} of {REPEATS}")
            before.append(our_prep(context, context.work / "ours"))
            after.append(our_prep(context, output, factor))
            shutil.rmtree(output)
        shutil.rmtree(idx_files(context, factor))
        rows += _rows(factor, sum(context.scale.images) * factor, before, after)
    return rows


def _rows(factor: int, images: int, before: list[Usage], after: list[Usage]) -> list[Row]:
    return [
        compared(
            f"prep of {factor}x the data: user CPU",
            "s",
            [factor * usage.user for usage in before],
            [usage.user for usage in after],
            at_most(1.0),
            note=f"baseline: ours at 1x, times {factor}",
            images=images,
        ),
        peak_rss(
            f"prep of {factor}x the data", before, after, at_most(1.2), note="baseline: ours at 1x", images=images
        ),
    ]
