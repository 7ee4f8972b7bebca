"""`kfp-azureml compile`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("compile")
@click.argument("pipeline", default="image_classification")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The YAML file. [default: PIPELINE.yaml here]")
@click.option("--registry", help="Where the images are, such as myregistry.azurecr.io/kfp-azureml.")
@click.option("--tag", help="The images' tag.")
def compile_command(pipeline: str, output: Path | None, registry: str | None, tag: str | None) -> None:
    """Compile PIPELINE to YAML for the Kubeflow UI or `kfp run create`, and validate it."""
    from kfp_azureml.compiling.compile import compile_pipeline
    from kfp_azureml.compiling.options import PipelineOptions
    from kfp_azureml.compiling.sources import find_pipeline

    source = find_pipeline(pipeline)
    output = output or Path(f"{source.stem}.yaml")
    chosen = {name: value for name, value in (("registry", registry), ("tag", tag)) if value}
    compile_pipeline(source, output, PipelineOptions(**chosen))
    click.echo(f"{output}: compiled and valid")
