"""Train with two workers, and with checkpoints: what they gain and cost."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.context import STEP, Context
from bench.costs import peak_rss, user_cpu, wall_time
from bench.data import idx_files
from bench.row import Goal, Row, alone, at_most, compared
from bench.steps import our_prep
from bench.usage import MEGABYTE, Usage, measure
from kfp_azureml.local.worker_group import reserved_ports
from kfp_azureml.steps.train.cluster import TF_CONFIG, Cluster

EPOCHS = 2
SEED = 1
CORES = (0, 1)
# Runs a command on one core; its arguments are the core and the command.
_PIN = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])}); os.execv(sys.argv[2], sys.argv[2:])"
_EPOCH = re.compile(r"epoch (\d+)/\d+: .* \(([\d.]+) s\)")


def measure_train_workers(context: Context) -> list[Row]:
    """Compare two workers on a core each with one, and with two that do not know each other."""
    data = context.work / "workers-data"
    our_prep(context, data)
    images = context.scale.images[0]
    one: list[float] = []
    two: list[float] = []
    strangers: list[float] = []
    for number in range(context.scale.repeats):
        context.say(f"train with workers, {number + 1} of {context.scale.repeats}")
        one.append(images / _last_epoch(_train(context, data, [{}])))
        two.append(images / _last_epoch(_workers(context, data)))
        # Half a batch each, as the two workers: then the difference is what they exchange.
        halves = _train(context, data, [{}] * 2, "--batch-size", "64")
        strangers.append(2 * images / _last_epoch(halves))
    shares = [100 * (1 - together / apart) for together, apart in zip(two, strangers, strict=True)]
    at_least = Goal("ratio", "at least", 1.6)
    note = "one core each, 2nd epoch"
    return [
        compared("train with 2 workers: images", "1/s", one, two, at_least, f"{note}; baseline: one worker, one core"),
        compared("train with 2 workers beside 2 alone: images", "1/s", strangers, two, None, f"{note}; batch 64 each"),
        alone("train with 2 workers: share of a step for the all-reduce", "%", shares, None, "1 - the ratio above"),
        _memory(context, data),
        *_checkpoints(context, data),
    ]


def _memory(context: Context, data: Path) -> Row:
    factor = min(context.scale.factors)
    small = _workers(context, data, "--epochs", "1")
    large_data = context.work / "workers-large"
    our_prep(context, large_data, factor)
    large = _workers(context, large_data, "--epochs", "1")
    shutil.rmtree(large_data)
    shutil.rmtree(idx_files(context, factor))
    name = f"train with 2 workers on {factor}x the data"
    return peak_rss(name, small[:1], large[:1], at_most(1.2), note="baseline: at 1x; one worker's")


def _checkpoints(context: Context, data: Path) -> list[Row]:
    without: list[Usage] = []
    saving: list[Usage] = []
    folder = context.work / "checkpoints"
    for _ in range(context.scale.repeats):
        without += _train(context, data, [{}])
        shutil.rmtree(folder, ignore_errors=True)
        saving += _train(context, data, [{}], "--checkpoint", str(folder))
    sizes = [path.stat().st_size / MEGABYTE for path in sorted(folder.glob("*.npz"))]
    name, note = "train with a checkpoint an epoch", f"baseline: without; {EPOCHS} epochs on one core"
    return [
        user_cpu(name, without, saving, at_most(1.02), note),
        wall_time(name, without, saving, None, note),
        alone("checkpoint of lean: size", "MB", sizes[-1:]),
    ]


def _workers(context: Context, data: Path, *more: str) -> list[Usage]:
    with reserved_ports(len(CORES)) as addresses:
        variables = [
            {TF_CONFIG: Cluster(addresses, rank).tf_config(), "TF_GRPC_REUSE_PORT": "1"} for rank in range(len(CORES))
        ]
        return _train(context, data, variables, *more)


def _train(context: Context, data: Path, variables: Sequence[Mapping[str, str]], *more: str) -> list[Usage]:
    """Train in processes at the same time, each on its own core; return what each used."""

    def train(number: int) -> Usage:
        output = context.work / f"workers-{number}"
        shutil.rmtree(output, ignore_errors=True)
        words = ("--epochs", str(EPOCHS), "--seed", str(SEED), "--validation-fraction", "0")
        command: tuple[str | Path | int, ...] = (
            *STEP,
            "train",
            "--input-data",
            data / "training",
            "--outputs",
            output,
            *words,
            *more,
        )
        return measure([sys.executable, "-c", _PIN, CORES[number], *command], environment=variables[number])

    with ThreadPoolExecutor(len(variables)) as pool:
        return list(pool.map(train, range(len(variables))))


def _last_epoch(runs: Sequence[Usage]) -> float:
    """Return the duration of the last epoch in seconds: of the slowest of several processes."""
    return max(float(_EPOCH.findall(used.output)[-1][1]) for used in runs)
