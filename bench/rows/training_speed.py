"""What limits a training step: waiting for data, and arithmetic beside sgemm in the same process."""

from __future__ import annotations

import json

from bench.context import OURS, Context
from bench.row import Row, alone, compared
from bench.usage import measure

SETTINGS = {
    "lean at 28x28": ("lean", 28, 1, 12_800, 128),
    "mobilenet_v3_small at 224x224": ("mobilenet_v3_small", 224, 3, 96, 16),
}
"""Architecture, side in pixels, channels, images, batch size."""


def measure_training_speed(context: Context) -> list[Row]:
    """Measure each setting in a process of its own."""
    rows = []
    for name, setting in SETTINGS.items():
        found: dict[str, list[float]] = {}
        for _ in range(context.scale.repeats):
            context.say(f"training speed of {name}")
            used = measure([OURS, "-m", "bench.training_speed", *setting])
            for key, value in json.loads(used.output.strip().splitlines()[-1]).items():
                found.setdefault(key, []).append(value)
        rows += [
            alone(f"train, {name}: share of time waiting for data", "", found["waiting_share"]),
            compared(
                f"train, {name}: arithmetic",
                "GFLOP/CPU s",
                found["sgemm_gflop_per_cpu_second"],
                found["step_gflop_per_cpu_second"],
                note="baseline: sgemm of 2048x2048 matrices in the same process",
            ),
        ]
    return rows
