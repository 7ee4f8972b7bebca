"""Train on a multiple of the data: memory must not grow."""

from __future__ import annotations

import shutil

from bench.context import Context
from bench.costs import peak_rss
from bench.data import idx_files
from bench.row import Row, at_most
from bench.steps import our_prep, our_train

EPOCHS = 1
SEED = 1


def measure_train_large(context: Context) -> list[Row]:
    """Compare the memory of one epoch with ours at 1x."""
    factor = min(context.scale.factors)
    used = {}
    for times in (1, factor):
        context.say(f"train an epoch on {times} times the data")
        data = context.work / "ours-large"
        our_prep(context, data, times)
        used[times] = our_train(data, context.work / "our-model-large", EPOCHS, SEED)
    shutil.rmtree(context.work / "ours-large")
    shutil.rmtree(idx_files(context, factor))
    return [
        peak_rss(
            f"train on {factor}x the data",
            [used[1]],
            [used[factor]],
            at_most(1.2),
            note="baseline: ours at 1x; one epoch each",
        )
    ]
