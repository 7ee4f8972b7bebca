"""A new model against the live one: found, fetched, scored on the same images, and judged, on an emulator."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from azureml_emulator import running_emulator
from kfp_azureml.imagesets.parquet import write_parquet
from kfp_azureml.models.model_folder import hash_files
from kfp_azureml.steps.command import component_command
from step_calls import deploy_model, register_model
from tiny_classifier import CLASSES, SHAPE, predict, tiny_images, write_tiny_model

IMAGES = 200
RIGHT = 0.9  # of the good model, exactly


@pytest.fixture(scope="module")
def emulator():
    with running_emulator(arguments=["--scoring", "instant"]) as info:
        yield info


@dataclass(frozen=True)
class Models:
    """Two models and the images that tell them apart."""

    good: Path
    poor: Path
    images: Path


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    folder = tmp_path_factory.mktemp("models")
    good, poor = write_tiny_model(folder / "good", 0), write_tiny_model(folder / "poor", 1)
    images = tiny_images(IMAGES)
    labels = predict(good, images).argmax(axis=1).astype(np.uint8)
    wrong = np.arange(0, IMAGES, round(1 / (1 - RIGHT)))
    labels[wrong] = (labels[wrong] + 1) % len(CLASSES)
    (folder / "images").mkdir()
    write_parquet(folder / "images" / "test.parquet", SHAPE, CLASSES, [(images.tobytes(), labels.tobytes())])
    return Models(good, poor, folder / "images")


def bring_live(folder: Path, endpoint: str, workspace: dict[str, str], **given: Any) -> str:
    """Register and deploy a model; return its version's id."""
    registered = register_model(folder, model_name=f"of-{endpoint}", run_id="earlier", **given, **workspace)
    deploy_model(registered.name, registered.version, endpoint, run_id="earlier", **workspace)
    return registered.id


def run(name: str, **given: object) -> dict[str, Any]:
    """Run a step as a shell does; return what it prints."""
    words = [word for key, value in given.items() for word in (f"--{key.replace('_', '-')}", str(value))]
    done = CliRunner().invoke(component_command(name), words)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def find(endpoint: str, outputs: Path, workspace: dict[str, str]) -> str:
    done = CliRunner().invoke(
        component_command("aml_preflight"),
        [*("--endpoint-name", endpoint, "--compare-with-live", "--outputs", str(outputs)),
         *(word for name, value in workspace.items() for word in (f"--{name.replace('_', '-')}", value))],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)["values"]["live_model"]


def judge(models: Models, new: Path, model_id: str, outputs: Path, workspace: dict[str, str], **gate: object) -> str:
    """Fetch the live model, score the new one beside it, and return the verdict."""
    fetched = run("aml_live_model", model_id=model_id, outputs=outputs, **workspace)
    live = fetched["artifacts"]["model"]["path"]
    scored = run("score", input_data=models.images, input_model=new, live_model=live, outputs=outputs)["values"]
    judged = run(
        "quality_gate",
        accuracy=scored["Output"],
        scores=json.dumps(scored["scores"]),
        outputs=outputs,
        **{"min_accuracy": 0, **gate},
    )
    verdict = (outputs / "verdict.md").read_text()
    assert verdict.startswith(f"**{judged['values']['Output'].capitalize()}: ")
    return verdict


def test_a_model_worse_than_the_live_one_is_rejected(models, workspace, tmp_path):
    bring_live(models.good, "good-live", workspace)
    verdict = judge(models, models.poor, find("good-live", tmp_path, workspace), tmp_path, workspace)
    assert verdict.startswith("**Rejected: accuracy 0.")
    assert "reaches 0.0000, but is below the 0.9000 of live model" in verdict
    assert "Only this model is right" in (tmp_path / "report.html").read_text()


def test_a_better_one_is_accepted_and_the_margin_counts(models, workspace, tmp_path):
    model_id = bring_live(models.poor, "poor-live", workspace)
    assert find("poor-live", tmp_path, workspace) == model_id
    verdict = judge(models, models.good, model_id, tmp_path / "1", workspace)
    assert verdict.startswith("**Accepted: accuracy 0.9000 reaches 0.0000, and reaches the 0.")
    narrow = judge(models, models.good, model_id, tmp_path / "2", workspace, min_improvement=0.9)
    assert narrow.startswith("**Rejected: ")
    assert "plus 0.9000 (McNemar p = " in narrow
    equal = judge(models, models.poor, model_id, tmp_path / "3", workspace, metric="worst_recall")
    assert equal.startswith("**Accepted: worst_recall 0.")


def test_without_a_live_model_the_minimum_decides(models, workspace, tmp_path):
    model_id = find("nothing-live", tmp_path, workspace)
    assert model_id == "none"
    verdict = judge(models, models.good, model_id, tmp_path / "1", workspace, min_accuracy=0.9)
    assert verdict == "**Accepted: accuracy 0.9000 reaches 0.9000; live model not compared: no model is live**\n"
    verdict = judge(models, models.good, model_id, tmp_path / "2", workspace, min_accuracy=0.91)
    assert verdict.startswith("**Rejected: accuracy 0.9000 is below 0.9100; live model not compared")


def test_a_live_model_of_another_tool_is_not_compared(models, workspace, tmp_path):
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "weights.bin").write_bytes(b"1234")
    model_id = bring_live(foreign, "foreign-live", workspace)
    verdict = judge(models, models.poor, model_id, tmp_path, workspace)
    assert "live model not compared: it was not written by train: it has no model.json" in verdict
    assert verdict.startswith("**Accepted: ")


@pytest.mark.parametrize(
    ("model_id", "reason"),
    [
        ("azureml://registries/azureml/models/resnet/versions/9", "which is not a registered model of workspace local"),
        ("{workspace}/models/gone/versions/7", "model gone version 7: not registered in workspace local, although it"),
    ],
)
def test_a_live_model_that_cannot_be_fetched_is_not_compared(
    models, workspace, client, tmp_path, model_id: str, reason: str
):
    verdict = judge(
        models, models.poor, model_id.format(workspace=client.workspaces.get(client.workspace_name).id), tmp_path,
        workspace,
    )  # fmt: skip
    assert verdict.startswith("**Accepted: ")
    assert reason in verdict


def test_without_a_comparison_nothing_is_asked_of_azure(models, monkeypatch, tmp_path):
    for name in ("AZ_CLIENT_SECRET", "AZ_SUBSCRIPTION_ID", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    verdict = judge(models, models.good, "off", tmp_path, {})
    assert verdict == "**Accepted: accuracy 0.9000 reaches 0.0000**\n"
    assert "live model" not in (tmp_path / "report.html").read_text()


def test_the_fetched_model_is_the_registered_one_with_its_name(models, workspace, tmp_path, caplog):
    model_id = bring_live(models.good, "fetched-live", workspace)
    caplog.set_level("INFO")
    fetched = run("aml_live_model", model_id=model_id, outputs=tmp_path, **workspace)
    assert hash_files(tmp_path / "model") == hash_files(models.good)
    assert "live model of-fetched-live:1 fetched; verified: size" in caplog.text
    about = fetched["artifacts"]["model"]["metadata"]
    assert (about["name"], about["version"], about["id"]) == ("of-fetched-live", "1", model_id)
