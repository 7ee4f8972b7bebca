"""`make run`: wall time outside the steps."""

from __future__ import annotations

import json
import shutil

from bench.context import REPOSITORY, Context
from bench.row import Goal, Row, alone
from bench.usage import measure


def measure_local_run(context: Context) -> list[Row]:
    """Run the whole pipeline from `make` to its exit."""
    runs = context.work / "runs"
    options = f"--runs {runs} {context.scale.run_options}"
    measure(["make", "-C", REPOSITORY, "setup"])
    walls, outside = [], []
    for number in range(context.scale.repeats):
        context.say(f"make run, {number + 1} of {context.scale.repeats}")
        wall = measure(["make", "-C", REPOSITORY, "run", f"ARGS={options}"]).wall
        summary = json.loads((runs / "latest" / "summary.json").read_text())
        own = sum(step["seconds"] for step in summary["steps"])
        walls.append(wall)
        outside.append(wall - own)
    shutil.rmtree(runs)
    shares = [100 * rest / wall for rest, wall in zip(outside, walls, strict=True)]
    note = "environments and data are there: not the first run on a machine"
    return [
        alone("make run: wall time", "s", walls, note=note),
        alone("make run: outside the steps' own work", "s", outside),
        alone("make run: share outside the steps' own work", "%", shares, Goal("ours", "at most", 10, 5)),
    ]
