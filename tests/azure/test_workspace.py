"""Register, roll out, roll back and run a pipeline job in a workspace; a real one takes an hour and costs money.

Created resources have a prefix of the test run and are deleted afterwards; Azure keeps archived versions of models and
components.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml.entities import Data
from azure.core.exceptions import ResourceNotFoundError

from azure_place import Place
from fashion_slice import write_fashion_slice
from kfp_azureml.azureml.rollout.endpoint import live_traffic
from kfp_azureml.azureml_pipelines import (
    JobSubmission,
    Placement,
    connect,
    download_model,
    get_component,
    output_values,
    register_components,
    stream_job,
    submit_pipeline,
    suite_specs,
)
from kfp_azureml.compiling import PipelineOptions
from kfp_azureml.runtime.errors import DeploymentError
from scoring import ask
from step_calls import deploy_model, register_model
from tiny_classifier import predict, tiny_images, write_tiny_model, write_tiny_score


@pytest.fixture(scope="session")
def client(workspace: Place) -> Any:
    return connect(**workspace.names)


@pytest.fixture(scope="session")
def endpoint_name(workspace: Place, client: Any) -> Iterator[str]:
    name = f"{workspace.prefix}-endpoint"
    yield name
    with suppress(ResourceNotFoundError):
        client.online_endpoints.begin_delete(name).wait(1800)


@pytest.fixture(scope="session")
def model_name(workspace: Place, client: Any) -> Iterator[str]:
    name = f"{workspace.prefix}-model"
    yield name
    client.models.archive(name)


def roll_out(workspace: Place, model_name: str, endpoint_name: str, folder: Path, seed: int) -> Any:
    """Register a model with unique content and deploy it."""
    model = write_tiny_model(folder / "model", seed=seed)
    scored = write_tiny_score(folder / "scored", model)
    registered = register_model(model, model_name=model_name, score_result=scored, run_id="test", **workspace.names)
    again = register_model(model, model_name=model_name, score_result=scored, run_id="test-2", **workspace.names)
    assert again.version == registered.version
    return deploy_model(
        model_name, registered.version, endpoint_name,
        score_result=scored, instance_type=workspace.instance_type, run_id="test", **workspace.names,
    )  # fmt: skip


def answers(client: Any, live: Any) -> list[int]:
    images = [base64.b64encode(image.tobytes()).decode() for image in tiny_images(20)]
    answer = ask(client, live, {"images": images})
    assert answer.status_code == 200, answer.text
    return [prediction["index"] for prediction in answer.json()["predictions"]]


def test_register_roll_out_and_roll_back(
    workspace: Place, client: Any, model_name: str, endpoint_name: str, tmp_path: Path
) -> None:
    first = roll_out(workspace, model_name, endpoint_name, tmp_path / "1", seed=1)
    assert answers(client, first) == predict(tmp_path / "1" / "model", tiny_images(20)).argmax(axis=1).tolist()

    second = roll_out(workspace, model_name, endpoint_name, tmp_path / "2", seed=2)
    assert second.deployment_name != first.deployment_name
    assert live_traffic(client.online_endpoints.get(endpoint_name)) == second.traffic
    assert answers(client, second) == predict(tmp_path / "2" / "model", tiny_images(20)).argmax(axis=1).tolist()

    # A model whose predictions differ from its score result gets no traffic; the live one stays.
    wrong = write_tiny_model(tmp_path / "3" / "model", seed=3)
    registered = register_model(wrong, model_name=model_name, **workspace.names)
    expecting_another = write_tiny_score(tmp_path / "3" / "scored", write_tiny_model(tmp_path / "4", seed=4))
    with pytest.raises(DeploymentError, match="predictions differ"):
        deploy_model(
            model_name, registered.version, endpoint_name,
            score_result=expecting_another, instance_type=workspace.instance_type, **workspace.names,
        )  # fmt: skip
    assert live_traffic(client.online_endpoints.get(endpoint_name)) == second.traffic
    assert answers(client, second) == predict(tmp_path / "2" / "model", tiny_images(20)).argmax(axis=1).tolist()

    downloaded = download_model(client, model_name, "2", tmp_path / "downloaded")
    assert downloaded.checked


def test_a_pipeline_job(workspace: Place, client: Any, tmp_path: Path) -> None:
    options = PipelineOptions(registry=workspace.registry, tag=workspace.tag)
    # A version of this run, since the images may have changed.
    version = f"0.0.0.dev{int(workspace.prefix.removeprefix('kfpaz'), 16)}"
    specs = list(suite_specs(options, version))
    assert not any(done.found for done in register_components(client, specs))
    assert all(done.found for done in register_components(client, specs))
    assert get_component(client, "train", version).version == version

    images = write_fashion_slice(tmp_path)
    data = Data(name=f"{workspace.prefix}-slice", version="1", type="uri_folder", path=str(images))
    client.data.create_or_update(data)
    # No model passes: the steps behind the gate are skipped, and nothing is deployed.
    params = {"input_data": f"azureml:{data.name}:1", "epochs": 1, "seed": 7, "min_accuracy": 0.999}
    types = {"": workspace.instance_type} if workspace.compute == "serverless" else {}
    placement = Placement({"": workspace.compute}, types)
    job = submit_pipeline(client, JobSubmission(options=options, params=params, placement=placement))
    said: list[str] = []
    stream_job(client, job.name, said.append)
    steps = output_values(client, job.name)
    assert 0 < steps["score"]["Output"] < 1
    assert steps["quality_gate"]["Output"] == "rejected"
    assert "aml_deploy_model" not in steps
    client.data.archive(data.name)
    for spec in specs:
        client.components.archive(spec.name, version)
