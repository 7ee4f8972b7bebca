"""Run the pipeline as a job; its model is not accepted, so that it deploys nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml.entities import Data

from azure_place import Place
from azure_plan import TEST_MINUTES
from azure_tagged import tagged
from fashion_slice import write_fashion_slice
from kfp_azureml.azureml_pipelines import JobSubmission, Placement, output_values, stream_job, submit_pipeline
from kfp_azureml.compiling import PipelineOptions

pytestmark = pytest.mark.timeout(TEST_MINUTES * 60, method="signal")


def test_a_pipeline_job(place: Place, client: Any, tmp_path: Path) -> None:
    images = write_fashion_slice(tmp_path)
    data = Data(name=f"{place.run.prefix}-slice", version="1", type="uri_folder", path=str(images), tags=place.run.tags)
    client.data.create_or_update(data)
    params = {"input_data": f"azureml:{data.name}:1", "epochs": 1, "seed": 7, "min_accuracy": 0.999}
    types = {"": place.instance_type} if place.compute == "serverless" else {}
    wanted = JobSubmission(
        options=PipelineOptions(registry=place.registry, tag=place.tag),
        params=params,
        placement=Placement({"": place.compute}, types),
        experiment=f"{place.run.prefix}-job",
    )
    with tagged(client, place.run):
        job = submit_pipeline(client, wanted)
    said: list[str] = []
    stream_job(client, job.name, said.append)
    steps = output_values(client, job.name)
    assert 0 < steps["score"]["Output"] < 1
    assert steps["quality_gate"]["Output"] == "rejected"
    assert "aml_deploy_model" not in steps
    assert client.jobs.get(job.name).tags.items() >= place.run.tags.items()
