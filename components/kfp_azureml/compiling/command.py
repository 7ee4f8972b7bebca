"""`kfp-azureml compile`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kfp_azureml import images
from kfp_azureml.compiling.flags import compile_flags, options_from
from kfp_azureml.runtime.terminal import plain, say


@click.command("compile")
@click.argument("pipeline", default="image_classification")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The YAML file. [default: PIPELINE.yaml here]")
@compile_flags()
def compile_command(pipeline: str, output: Path | None, **flags: Any) -> None:
    """Compile PIPELINE to YAML for the Kubeflow UI or `kfp run create`, validate it, and list its images.

    PIPELINE is a name (image_classification), or a .py file that defines build_pipeline(options) or one @dsl.pipeline.
    Registry, tag and digests reach every task of the suite's; the pull secret every task with an image from that
    registry's host. A .yaml file that is compiled already gets these too; the other options are for build_pipeline.
    """
    from kfp_azureml.compiling.compile import compile_pipeline
    from kfp_azureml.compiling.sources import find_pipeline
    from kfp_azureml.compiling.task_images import without_registry

    source = find_pipeline(pipeline)
    if output is None and source.suffix != ".py":
        raise click.UsageError(f"{pipeline} is compiled already: name the file to write with --output")
    output = output or Path(f"{source.stem}.yaml")
    names = compile_pipeline(source, output, options_from(flags))
    say(f"{output}: compiled and valid")
    for name in names:
        say(f"  image {name}")
    for name in without_registry(names):
        advice = "; say where it is with --registry" if name.startswith(f"{images.REGISTRY}/") else ""
        warning = f"Warning: image {name} names no registry: a cluster looks for it on Docker Hub{advice}"
        click.echo(plain(warning), err=True)
