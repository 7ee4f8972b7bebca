"""`kfp-azureml compile`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kfp_azureml import images
from kfp_azureml.compiling.flags import compile_flags, options_from
from kfp_azureml.runtime.terminal import plain, say

_OUTPUT = "Output file.  [default: PIPELINE.yaml in the current folder]"


@click.command("compile")
@click.argument("pipeline", default="image_classification")
@click.option("-o", "--output", type=click.Path(path_type=Path), help=_OUTPUT)
@compile_flags(former_step_timeout="--timeout")
def compile_command(pipeline: str, output: Path | None, **flags: Any) -> None:
    """Compile PIPELINE to validated YAML, and list its images.

    The YAML is for the Kubeflow UI or `kfp run create`.

    PIPELINE is the name of a shipped pipeline (image_classification), a .py file that defines build_pipeline(options)
    or one @dsl.pipeline, or a compiled .yaml file. Registry, tag and digests apply to all tasks of the suite, the pull
    secret to all tasks with an image in that registry. The other options need build_pipeline(options).
    """
    from kfp_azureml.compiling.compile import compile_pipeline
    from kfp_azureml.compiling.sources import find_pipeline
    from kfp_azureml.compiling.task_images import without_registry

    source = find_pipeline(pipeline)
    if output is None and source.suffix != ".py":
        raise click.UsageError(f"{pipeline} is already compiled: set --output")
    output = output or Path(f"{source.stem}.yaml")
    names = compile_pipeline(source, output, options_from(flags))
    say(f"{output}: compiled and valid")
    for name in names:
        say(f"  image {name}")
    for name in without_registry(names):
        advice = ": set --registry" if name.startswith(f"{images.REGISTRY}/") else ""
        warning = f"Warning: image {name} has no registry, so a cluster pulls it from Docker Hub{advice}"
        click.echo(plain(warning), err=True)
