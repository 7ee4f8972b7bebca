"""Compiling the pipeline, its validation included."""

from __future__ import annotations

from bench.context import OURS, REPOSITORY, Context
from bench.row import Row, at_most, compared
from bench.steps import SCRIPTS
from bench.usage import measure


def measure_compile(context: Context) -> list[Row]:
    """Compare `make compile-pipeline` with kfp's own command and a pipeline of one task."""
    baseline, ours = [], []
    output = context.work / "pipeline.yaml"
    for number in range(context.scale.repeats):
        context.say(f"compile, {number + 1} of {context.scale.repeats}")
        kfp = OURS.with_name("kfp")
        baseline.append(measure([kfp, "dsl", "compile", "--py", SCRIPTS / "one_task.py", "--output", output]))
        ours.append(measure(["make", "-C", REPOSITORY, "compile-pipeline", f"OUTPUT={output}"]))
    note = "baseline: kfp dsl compile of a pipeline of one task"
    return [
        compared("compile: wall time", "s", [u.wall for u in baseline], [u.wall for u in ours], at_most(1.3), note),
        compared("compile: user CPU", "s", [u.user for u in baseline], [u.user for u in ours], note=note),
    ]
