"""`kfp-azureml compile`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kfp_azureml.compiling.flags import compile_flags, options_from


@click.command("compile")
@click.argument("pipeline", default="image_classification")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The YAML file. [default: PIPELINE.yaml here]")
@compile_flags()
def compile_command(pipeline: str, output: Path | None, **flags: Any) -> None:
    """Compile PIPELINE to YAML for the Kubeflow UI or `kfp run create`, and validate it."""
    from kfp_azureml.compiling.compile import compile_pipeline
    from kfp_azureml.compiling.sources import find_pipeline

    source = find_pipeline(pipeline)
    output = output or Path(f"{source.stem}.yaml")
    compile_pipeline(source, output, options_from(flags))
    click.echo(f"{output}: compiled and valid")
