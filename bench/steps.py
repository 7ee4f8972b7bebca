"""The steps as whole processes: `kfp-azureml step` and the baseline's scripts."""

from __future__ import annotations

import shutil
from pathlib import Path

from bench.context import BASELINE, REPOSITORY, STEP, Context
from bench.data import idx_files
from bench.usage import Usage, measure

SCRIPTS = REPOSITORY / "bench" / "baselines"

FEWEST_EPOCHS = 2
"""Fewest epochs after which a model evaluates mirror images too, as with the default number."""


def baseline_prep(context: Context, output: Path) -> Usage:
    """Run the baseline's prep into `output`/training and `output`/test."""
    shutil.rmtree(output, ignore_errors=True)
    counts = map(str, context.scale.images)
    return measure([BASELINE, SCRIPTS / "prep.py", idx_files(context), output / "training", output / "test", *counts])


def our_prep(context: Context, output: Path, factor: int = 1) -> Usage:
    """Run our prep on the data repeated `factor` times."""
    source = idx_files(context, factor)
    shutil.rmtree(output, ignore_errors=True)
    return measure(
        [
            *(*STEP, "prep", "--input-data", source),
            *("--training-data", output / "training", "--test-data", output / "test"),
        ]
    )


def baseline_train(context: Context, data: Path, output: Path, epochs: int) -> Usage:
    """Train the baseline's network on `data`/training."""
    shutil.rmtree(output, ignore_errors=True)
    store = {"MLFLOW_TRACKING_URI": (context.work / "mlflow").as_uri(), "MLFLOW_ALLOW_FILE_STORE": "true"}
    return measure([BASELINE, SCRIPTS / "train.py", data / "training", output, epochs], environment=store)


def our_train(data: Path, output: Path, epochs: int, seed: int) -> Usage:
    """Train our network on `data`/training, with defaults except for epochs and seed."""
    shutil.rmtree(output, ignore_errors=True)
    return measure(
        [
            *(*STEP, "train", "--input-data", data / "training", "--output-model", output),
            *("--history", output.with_suffix(".html"), "--metrics", output.with_suffix(".metrics")),
            *("--epochs", str(epochs), "--seed", str(seed)),
        ]
    )


def baseline_score(data: Path, model: Path, output: Path) -> Usage:
    """Score the baseline's model on `data`/test."""
    shutil.rmtree(output, ignore_errors=True)
    return measure([BASELINE, SCRIPTS / "score.py", data / "test", model, output])


def our_score(data: Path, model: Path, output: Path) -> Usage:
    """Score our model on `data`/test, with the report."""
    shutil.rmtree(output, ignore_errors=True)
    return measure(
        [
            *(*STEP, "score", "--input-data", data / "test", "--input-model", model, "--output-result", output),
            *("--report", output.with_suffix(".html"), "--outputs", output.parent),
        ]
    )
