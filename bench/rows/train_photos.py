"""Train on real pictures: the accuracy of Keras' own recipe at a third of its cost."""

from __future__ import annotations

import json
import shutil
from importlib import import_module
from pathlib import Path

from bench.context import BASELINE, STEP, Context
from bench.costs import peak_rss, user_cpu, wall_time
from bench.row import Goal, Row, accuracy, at_most
from bench.steps import SCRIPTS, our_score, our_train
from bench.usage import Usage, measure

BASELINE_EPOCHS = 25
"""As in Keras' example."""
EPOCHS = 30
"""Chosen on signs of the training set that were held out."""

NAME = "train on emoji"


def measure_train_photos(context: Context) -> list[Row]:
    """Train and test both with several seeds; both choose nothing on the test set."""
    pictures = import_module("examples.emoji_images.emoji_images").emoji_images(context.work / "pictures")
    data = context.work / "data"
    measure(
        [
            *(*STEP, "prep", "--input-data", pictures),
            *("--training-data", data / "training", "--test-data", data / "test", "--outputs", context.work / "prep"),
        ]
    )
    baseline: list[tuple[Usage, float]] = []
    ours: list[tuple[Usage, float]] = []
    fewer = len(context.scale.seeds) == 1  # a trial of the bench itself
    for seed in context.scale.seeds:
        context.say(f"train on emoji, seed {seed} of {', '.join(map(str, context.scale.seeds))}")
        epochs = 1 if fewer else BASELINE_EPOCHS
        used = measure([BASELINE, SCRIPTS / "photos.py", pictures, epochs, seed])
        baseline.append((used, float(used.output.rpartition("test accuracy: ")[2].split()[0])))
        model = context.work / "model"
        used = our_train(data, model, 1 if fewer else EPOCHS, seed)
        ours.append((used, _accuracy(data, model, context.work / "result")))
    shutil.rmtree(pictures)
    theirs, own = [used for used, _ in baseline], [used for used, _ in ours]
    reached = sum(value for _, value in baseline) / len(baseline)
    return [
        user_cpu(NAME, theirs, own, at_most(1 / 3)),
        wall_time(NAME, theirs, own),
        peak_rss(NAME, theirs, own),
        accuracy(
            f"{NAME}: test accuracy",
            [value for _, value in baseline],
            [value for _, value in ours],
            Goal("ours", "at least", reached),
        ),
    ]


def _accuracy(data: Path, model: Path, result: Path) -> float:
    our_score(data, model, result)
    return float(json.loads((result / "check.json").read_text())["accuracy"])
