"""Submit the pipeline, as the notebook of Microsoft's example does, and write what was seen as JSON.

Usage: submit.py DATA FOLDER RESOURCE_GROUP WORKSPACE; the results are in FOLDER.
"""

import contextlib
import io
import json
import os
import sys
from pathlib import Path

from azure.ai.ml import Input, MLClient, load_component
from azure.ai.ml.dsl import pipeline
from azure.ai.ml.entities import AmlCompute
from azure.ai.ml.exceptions import JobException
from azure.identity import DefaultAzureCredential

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "prep"), str(HERE / "train")]

from prep_component import prepare_data  # noqa: E402
from train_component import train_keras  # noqa: E402


@pipeline(default_compute="cpu-cluster")
def image_classification(input_data):
    """Prepare images, train with Keras, score."""
    prepared = prepare_data(input_data=input_data)
    trained = train_keras(input_data=prepared.outputs.training_data, epochs=1)
    trained.compute = "gpu-cluster"
    load_component(source=HERE / "score" / "score.yaml")(
        input_data=prepared.outputs.test_data, input_model=trained.outputs.output_model
    )


def main(data: str, folder: Path, resource_group: str, workspace: str) -> dict[str, object]:
    client = MLClient(DefaultAzureCredential(), os.environ["AZ_SUBSCRIPTION_ID"], resource_group, workspace)
    client.compute.begin_create_or_update(AmlCompute(name="gpu-cluster", size="Standard_NC4as_T4_v3")).result()
    job = client.jobs.create_or_update(
        image_classification(input_data=Input(path=data)), experiment_name="pipeline_samples"
    )
    printed, error = io.StringIO(), ""
    try:
        with contextlib.redirect_stdout(printed):
            client.jobs.stream(job.name)
    except JobException as failure:
        error = str(failure)
    nodes = {node.display_name: node for node in client.jobs.list(parent_job_name=job.name)}
    for node in nodes.values():
        client.jobs.download(node.name, download_path=folder / node.display_name, all=True)
    if "score_keras" in nodes:
        client.jobs.download(nodes["score_keras"].name, download_path=folder, output_name="output_result")
    registered = client.components.create_or_update(prepare_data)
    return {
        "mode": job.inputs["input_data"].mode,
        "status": client.jobs.get(job.name).status,
        "error": error,
        "streamed": printed.getvalue(),
        "nodes": {name: node.status for name, node in nodes.items()},
        "registered": [registered.name, registered.version],
    }


if __name__ == "__main__":
    where = Path(sys.argv[2])
    (where / "seen.json").write_text(json.dumps(main(sys.argv[1], where, *sys.argv[3:])))
