"""Register: a large model beside the bare SDK call, and the same model again."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from azureml_emulator import EmulatorInfo, running_emulator
from bench.azureml_calls import azureml_client_seconds
from bench.context import OURS, STEP, Context
from bench.costs import user_cpu, wall_time
from bench.row import Row, at_most, compared
from bench.steps import SCRIPTS
from bench.usage import Usage, measure

CHUNK_BYTES = 1 << 20


def measure_register(context: Context) -> list[Row]:
    """Register new random bytes each time, since the SDK uploads no content twice."""
    size = context.scale.model_bytes
    what = f"register {size / 1e6:,.0f} MB"
    baseline, ours, again, calls = [], [], [], []
    for number in range(context.scale.repeats):
        context.say(f"{what}, {number + 1} of {context.scale.repeats}")
        # A new emulator each time, so that its blobs do not fill the disk.
        with running_emulator() as emulator:
            baseline.append(_bare(_random_model(context.work / "register" / "bare", size), emulator))
            model = _random_model(context.work / "register" / "ours", size)
            ours.append(_ours(model, emulator))
            again.append(_ours(model, emulator))
            calls.append(
                azureml_client_seconds(emulator, "register", _random_model(context.work / "register" / "call", size))
            )
    shutil.rmtree(context.work / "register")
    note = "baseline: models.create_or_update; to the emulator, whose work is in both"
    return [
        wall_time(what, baseline, ours, at_most(1.05), note),
        user_cpu(what, baseline, ours, note=note),
        compared(
            "register the same again: the call",
            "s",
            [first for first, _ in calls],
            [second for _, second in calls],
            at_most(0.05),
            note="baseline: the first call; in a process that has azure-ai-ml loaded; no byte is uploaded",
        ),
        wall_time(
            "register the same again",
            ours,
            again,
            note="baseline: ours the first time; most of it is loading azure-ai-ml",
        ),
    ]


def _random_model(folder: Path, size: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "model.bin").open("wb") as stream:
        for start in range(0, size, CHUNK_BYTES):
            stream.write(os.urandom(min(CHUNK_BYTES, size - start)))
    return folder


def _bare(model: Path, emulator: EmulatorInfo) -> Usage:
    return measure(
        [OURS, SCRIPTS / "register.py", model, "bare", emulator.resource_group, emulator.workspace],
        environment=emulator.environment,
    )


def _ours(model: Path, emulator: EmulatorInfo) -> Usage:
    return measure(
        [
            *(*STEP, "aml_register_model", "--model", model, "--model-name", "ours"),
            *("--resource-group", emulator.resource_group, "--workspace", emulator.workspace),
            *("--outputs", model.with_name("outputs")),
        ],
        environment=emulator.environment,
    )
