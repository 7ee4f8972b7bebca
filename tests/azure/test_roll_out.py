"""Roll out to an endpoint: retry after a failed first provisioning, take over the traffic, roll back."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml.entities import ManagedOnlineEndpoint

from azure_place import Place
from azure_plan import TEST_MINUTES
from kfp_azureml.azureml.rollout.endpoint import live_traffic
from kfp_azureml.azureml_pipelines import download_model
from kfp_azureml.models.model_folder import read_manifest, write_manifest
from kfp_azureml.runtime.errors import DeploymentError
from kfp_azureml.steps.aml_deploy_model.deploy import DeployedModel
from scoring import ask
from step_calls import deploy_model, register_model
from tiny_classifier import predict, tiny_images, write_tiny_model, write_tiny_score

pytestmark = pytest.mark.timeout(TEST_MINUTES * 60, method="signal")


def register(place: Place, model: Path, scored: Path | None = None) -> str:
    registered = register_model(
        model, model_name=f"{place.run.prefix}-model", score_result=scored, tags=place.run.tags, **place.names
    )
    return registered.version


def deploy(place: Place, version: str, **given: Any) -> DeployedModel:
    endpoint = f"{place.run.prefix}-endpoint"
    return deploy_model(
        f"{place.run.prefix}-model", version, endpoint, instance_type=place.instance_type, **given, **place.names
    )


def check_answers(client: Any, live: DeployedModel, model: Path) -> None:
    """Score 20 images, and compare with the model itself."""
    images = [base64.b64encode(image.tobytes()).decode() for image in tiny_images(20)]
    answer = ask(client, live, {"images": images})
    assert answer.status_code == 200, answer.text
    predicted = [prediction["index"] for prediction in answer.json()["predictions"]]
    assert predicted == predict(model, tiny_images(20)).argmax(axis=1).tolist()


def write_broken_model(folder: Path) -> Path:
    """Write a model folder that the scoring script cannot load."""
    write_tiny_model(folder)
    manifest = read_manifest(folder)
    (folder / "model.onnx").write_bytes(b"not a model")
    write_manifest(folder, manifest)
    return folder


def test_a_rollout(place: Place, client: Any, tmp_path: Path) -> None:
    name = f"{place.run.prefix}-endpoint"
    # Not by the step: the request that creates it has to carry the tag.
    endpoint = ManagedOnlineEndpoint(name=name, auth_mode="key", tags=place.run.tags)
    client.online_endpoints.begin_create_or_update(endpoint).result()

    # Its container crashes; then the same deployment with a model that loads.
    broken = register(place, write_broken_model(tmp_path / "broken"))
    with pytest.raises(DeploymentError):
        deploy(place, broken, deployment_name="first")
    assert client.online_deployments.get("first", name).provisioning_state == "Failed"
    models = {seed: write_tiny_model(tmp_path / f"{seed}" / "model", seed=seed) for seed in (1, 2)}
    scores = {seed: write_tiny_score(tmp_path / f"{seed}" / "scored", model) for seed, model in models.items()}
    first = deploy(
        place, register(place, models[1], scores[1]), deployment_name="first", score_result=scores[1], run_id="test"
    )
    check_answers(client, first, models[1])

    second = deploy(place, register(place, models[2], scores[2]), score_result=scores[2], run_id="test")
    assert second.deployment_name != first.deployment_name
    assert live_traffic(client.online_endpoints.get(name)) == second.traffic
    check_answers(client, second, models[2])

    # A model whose predictions differ from its score result gets no traffic; the live one stays.
    wrong = register(place, write_tiny_model(tmp_path / "3", seed=3))
    expecting_another = write_tiny_score(tmp_path / "scored", write_tiny_model(tmp_path / "4", seed=4))
    with pytest.raises(DeploymentError, match="predictions differ"):
        deploy(place, wrong, score_result=expecting_another)
    assert live_traffic(client.online_endpoints.get(name)) == second.traffic
    check_answers(client, second, models[2])
    assert (
        "sha256 as registered"
        in download_model(client, f"{place.run.prefix}-model", "2", tmp_path / "downloaded").verified
    )
