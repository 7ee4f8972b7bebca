"""Prepare, train and score on Azure ML, from a Python script: components, pipeline, job, result.

    python examples/azureml_pipeline.py --data azureml:fashion-mnist:1 --compute cpu-cluster

The workspace is that of config.json, which Azure ML studio offers for download, or of --resource-group and --workspace.
Credentials: `az login`, a managed identity, or the variables AZ_TENANT_ID, AZ_CLIENT_ID and AZ_CLIENT_SECRET.
"""

import json
import sys
from pathlib import Path
from typing import Any

import click

from kfp_azureml.azureml_pipelines import (
    artifact_path,
    connect,
    download_outputs,
    get_component,
    output_values,
    register_components,
    sdk_errors,
    stream_job,
    suite_specs,
)
from kfp_azureml.compiling import PipelineOptions
from kfp_azureml.images import REGISTRY, TAG
from kfp_azureml.runtime.errors import KfpAzuremlError


@click.command()
@click.option("--data", required=True, help="Images: azureml:NAME:VERSION or a URI.")
@click.option("--epochs", default=10, show_default=True)
@click.option("--compute", default="serverless", show_default=True, help="Compute of all steps.")
@click.option("--train-compute", default="", help="Compute of train, if another.")
@click.option("--registry", default=REGISTRY, help="Registry of the images.")
@click.option("--tag", default=TAG, help="Tag of the images.")
@click.option("--resource-group", default="")
@click.option("--workspace", default="")
@click.option("--to", default="result", type=click.Path(path_type=Path), help="Folder for the result.")
def main(
    data: str,
    epochs: int,
    compute: str,
    train_compute: str,
    registry: str,
    tag: str,
    resource_group: str,
    workspace: str,
    to: Path,
) -> None:
    """Prepare, train and score on Azure ML."""
    client = connect(resource_group, workspace)

    # Register the components; those with the same content are kept.
    for done in register_components(client, suite_specs(PipelineOptions(registry=registry, tag=tag))):
        click.echo(f"{done.name}:{done.version} {'found' if done.found else 'registered'}")

    # Load three of them in their highest version; help(prep) shows inputs and outputs.
    prep, train, score = (get_component(client, name) for name in ("prep", "train", "score"))

    # Combine them in a pipeline.
    from azure.ai.ml.dsl import pipeline
    from azure.ai.ml.entities import PipelineJobSettings

    @pipeline
    def image_classification(input_data: str, epochs: int) -> dict[str, Any]:
        prepared = prep(input_data=input_data)
        trained = train(input_data=prepared.outputs.training_data, epochs=epochs)
        if train_compute:
            trained.compute = train_compute
        scored = score(input_data=prepared.outputs.test_data, input_model=trained.outputs.output_model)
        return {"model": trained.outputs.output_model, "result": scored.outputs.output_result}

    job = image_classification(input_data=data, epochs=epochs)
    job.settings = PipelineJobSettings(default_compute=compute)

    # Submit it and follow it to its end; the experiment is created if it does not exist.
    with sdk_errors("submitting the pipeline job"):
        submitted = client.jobs.create_or_update(job, experiment_name="pipeline_samples")
    click.echo(f"{submitted.name}: {submitted.studio_url}")
    stream_job(client, submitted.name)

    # Read returned values and download outputs.
    accuracy = output_values(client, submitted.name)["scored"]["Output"]
    click.echo(f"Accuracy {accuracy:.4f} on the test set")
    model, result = download_outputs(client, submitted.name, to, ["model", "result"])
    record = json.loads((artifact_path(result) / "check.json").read_text())
    click.echo(f"{record['images']} predictions in {artifact_path(result)}, the model in {artifact_path(model)}")


if __name__ == "__main__":
    try:
        main()
    except KfpAzuremlError as error:
        sys.exit(str(error))
