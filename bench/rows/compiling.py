"""Compiling and validating the pipeline."""

from __future__ import annotations

from bench.context import OURS, REPOSITORY, Context
from bench.costs import user_cpu, wall_time
from bench.row import Row, at_most
from bench.steps import SCRIPTS
from bench.usage import measure


def measure_compile(context: Context) -> list[Row]:
    """Compare `make compile-pipeline` with kfp's command on a pipeline of one task."""
    baseline, ours = [], []
    output = context.work / "pipeline.yaml"
    for number in range(context.scale.repeats):
        context.say(f"compile, {number + 1} of {context.scale.repeats}")
        kfp = OURS.with_name("kfp")
        baseline.append(measure([kfp, "dsl", "compile", "--py", SCRIPTS / "one_task.py", "--output", output]))
        ours.append(measure(["make", "-C", REPOSITORY, "compile-pipeline", f"OUTPUT={output}"]))
    note = "baseline: kfp dsl compile of a pipeline of one task"
    return [
        wall_time("compile", baseline, ours, at_most(1.3), note),
        user_cpu("compile", baseline, ours, note=note),
    ]
