"""Train on many times the data: its memory must not grow."""

from __future__ import annotations

import shutil

from bench.context import Context
from bench.data import idx_files
from bench.row import Row, at_most, compared
from bench.rows.prep import MEGABYTE
from bench.steps import our_prep, our_train

EPOCHS = 1
SEED = 1


def measure_train_large(context: Context) -> list[Row]:
    """Compare ours with itself, an epoch each."""
    factor = min(context.scale.factors)
    peaks = {}
    for times in (1, factor):
        context.say(f"train an epoch on {times} times the data")
        data = context.work / "ours-large"
        our_prep(context, data, times)
        peaks[times] = our_train(data, context.work / "our-model-large", EPOCHS, SEED).peak_rss / MEGABYTE
    shutil.rmtree(context.work / "ours-large")
    shutil.rmtree(idx_files(context, factor))
    return [
        compared(
            f"train on {factor}x the data: peak RSS",
            "MB",
            [peaks[1]],
            [peaks[factor]],
            at_most(1.2),
            note="baseline: ours at 1x; one epoch each",
        )
    ]
