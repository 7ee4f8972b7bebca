"""A model that train writes for MLflow: registered, deployed without a script, and loaded by MLflow itself."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from kfp_azureml.imagesets.parquet import write_parquet
from kfp_azureml.models.onnx_session import open_session
from kfp_azureml.steps.score.score import score_model
from scoring import ask
from step_calls import deploy_model, register_model, train_model

SHAPE = (8, 8, 3)
OUTSIDE = dict(os.environ)
"""The environment without the emulator's proxy, which lets nothing through to a package index."""

# Prints what MLflow predicts for the model's own example, and its signature.
PREDICT = """
import json, sys
import mlflow.pyfunc
import numpy as np
model = mlflow.pyfunc.load_model(sys.argv[1])
images = np.array(json.load(open(sys.argv[1] + "/input_example.json"))["inputs"], np.uint8)
answer = model.predict(images)
print(json.dumps({name: value.tolist() for name, value in answer.items()}))
print(model.metadata.get_input_schema())
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    rng = np.random.default_rng(1)
    labels = np.arange(80, dtype=np.uint8) % 2
    images = (rng.integers(0, 128, (80, *SHAPE)) + 100 * labels[:, None, None, None]).astype(np.uint8)
    folder = tmp_path_factory.mktemp("data")
    write_parquet(folder / "images.parquet", SHAPE, ("dark", "bright"), [(images.tobytes(), labels.tobytes())])
    return folder


@pytest.fixture(scope="module")
def model(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mlflow") / "model"
    train_model(data, folder, epochs=1, model_format="mlflow")
    return folder


@pytest.fixture(scope="module")
def example(model):
    return json.loads((model / "input_example.json").read_text())["inputs"]


@pytest.fixture(scope="module")
def expected(model, example):
    """Return what ONNX Runtime predicts for the model's example."""
    return open_session(model / "model.onnx").run(None, {"image": np.array(example, np.uint8)})[0]


def test_it_is_live_without_a_script_and_answers_as_onnx_runtime_does(
    workspace, client, data, model, example, expected, tmp_path, caplog
):
    score_model(data, model, tmp_path / "scored", output_report=None)
    registered = register_model(model, model_name="tiny-mlflow", score_result=tmp_path / "scored", **workspace)
    version = client.models.get("tiny-mlflow", registered.version)
    assert version.type == "mlflow_model"

    request = {"input_data": example}
    # The smoke test is the model's own example.
    live = deploy_model("tiny-mlflow", registered.version, "tiny-mlflow", soak_seconds=0, **workspace)
    assert "set request" not in caplog.text
    deployment = client.online_deployments.get(live.deployment_name, "tiny-mlflow")
    assert deployment.code_configuration is None
    np.testing.assert_allclose(ask(client, live, request).json()["probabilities"], expected, atol=1e-6)
    wrong = ask(client, live, {"input_data": [[1, 2, 3]]})
    assert wrong.headers["ms-azureml-model-error-statuscode"] == "400"


def test_mlflow_loads_it_in_the_environment_that_it_names(model, expected, tmp_path):
    uv = [f"{sys.prefix}/bin/uv"]
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, tmp_path / "venv"], env=OUTSIDE, check=True)
    python = tmp_path / "venv/bin/python"
    install = ("pip", "install", "--quiet", "--python", python, "--requirement", model / "requirements.txt")
    subprocess.run([*uv, *install], env=OUTSIDE, check=True)
    done = subprocess.run([python, "-c", PREDICT, model], env=OUTSIDE, capture_output=True, text=True, check=True)
    predicted, schema = done.stdout.splitlines()
    np.testing.assert_allclose(json.loads(predicted)["probabilities"], expected, atol=1e-6)
    assert "image" in schema
    assert "uint8" in schema
    assert "(-1, 8, 8, 3)" in schema


def test_in_both_formats_the_suites_own_script_serves_it(workspace, client, data, tmp_path):
    train_model(data, tmp_path / "model", epochs=1, model_format="both")
    assert {"model.keras", "MLmodel", "model.json"} <= {path.name for path in (tmp_path / "model").iterdir()}
    registered = register_model(tmp_path / "model", model_name="tiny-both", **workspace)
    assert client.models.get("tiny-both", registered.version).type == "custom_model"
