"""Register and deploy with the real SDK on an Azure ML emulator, to a live endpoint."""

import base64
import logging
import sys
from pathlib import Path

import numpy as np
import pytest

import bombs
from kfp_azureml.azureml.rollout.endpoint import live_traffic
from kfp_azureml.azureml.rollout.environment import SERVING_FOLDER
from kfp_azureml.imagesets.preprocessing import Preprocessing, decode
from kfp_azureml.runtime.errors import CredentialsError, DeploymentError, ModelError, WorkspaceError
from pictures import encoded, noise
from scoring import ask, post, read_openapi
from step_calls import deploy_model, register_model
from tiny_classifier import predict, tiny_images, write_tiny_model, write_tiny_score

ENDPOINT = "tiny-classifier"


@pytest.fixture(scope="module")
def live(workspace, model, scored):
    """Register and deploy the tiny model."""
    registered = register_model(model, model_name="tiny", score_result=scored, run_id="run-1", **workspace)
    return deploy_model("tiny", registered.version, ENDPOINT, score_result=scored, run_id="run-1", **workspace)


def user_code(folder: Path, run: str = "return {}", init: str = "pass") -> Path:
    folder.mkdir()
    (folder / "score.py").write_text(f"def init():\n    {init}\n\n\ndef run(data):\n    {run}\n")
    conda = (SERVING_FOLDER / "conda.yaml").read_text()
    this_python = f"python={sys.version_info.major}.{sys.version_info.minor}"
    (folder / "conda.yaml").write_text(conda.replace("python=3.11", this_python))
    return folder


def test_the_live_endpoint_answers_as_the_model_does(client, live, model):
    images = tiny_images(20)
    answer = ask(client, live, {"images": [base64.b64encode(image.tobytes()).decode() for image in images]})
    assert answer.status_code == 200
    predicted = [prediction["index"] for prediction in answer.json()["predictions"]]
    assert predicted == predict(model, images).argmax(axis=1).tolist()


def test_a_bad_request_is_the_callers_fault_and_says_why(client, live):
    answer = ask(client, live, {"images": ["AAAA"]})
    # A managed endpoint returns 424 for every response of its container other than 200.
    assert (answer.status_code, answer.headers["ms-azureml-model-error-statuscode"]) == (424, "400")
    why = "not an image file, and not its pixels: 3 bytes, expected 16 (height 4 x width 4 x channels 1)"
    assert answer.json() == {"error": f"image 0: {why}"}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_an_image_file_is_classified_as_score_would(client, live, model, kind):
    file = encoded(noise(1, (40, 30)), kind)
    pixels = np.frombuffer(decode(file, Preprocessing(4, 4, 1, "pad")), np.uint8).reshape(1, 4, 4, 1)
    posted = post(client, live, content=file, headers={"content-type": f"image/{kind.lower()}"})
    parts = post(client, live, files=[("images", ("a", file)), ("images", ("b", file))])
    as_text = ask(client, live, {"images": [base64.b64encode(file).decode()]})
    for answer, count in ((posted, 1), (parts, 2), (as_text, 1)):
        assert answer.status_code == 200, answer.text
        np.testing.assert_allclose(answer.json()["probabilities"], predict(model, pixels).repeat(count, 0), rtol=1e-5)


@pytest.mark.parametrize(
    ("content", "content_type", "said"),
    [
        (encoded(noise(1, (64, 64)), "JPEG")[:-200], "image/jpeg", "image 0: damaged image"),
        (bombs.png(60_000, 60_000), "image/png", "image 0: more than 89,478,485 pixels"),
        (b"x" * ((32 << 20) + 1), "image/png", "the body has more than 33,554,432 bytes"),
        (iter([b"x" * (1 << 20)] * 33), "image/png", "the body has more than 33,554,432 bytes"),
        (b"", "image/png", "the body is empty"),
        (b"--x", "multipart/form-data; boundary=x", "multipart/form-data without a file in a part named images"),
        (b"abc", "video/mp4", "content type 'video/mp4': expected"),
    ],
    ids=["truncated", "bomb", "large", "large in chunks", "empty", "no parts", "video"],
)
def test_a_bad_body_is_the_callers_fault_and_says_why(client, live, content, content_type, said):
    answer = post(client, live, content=content, headers={"content-type": content_type})
    assert (answer.status_code, answer.headers["ms-azureml-model-error-statuscode"]) == (424, "400")
    assert said in answer.json()["error"]
    assert ask(client, live, {"images": [base64.b64encode(bytes(16)).decode()]}).status_code == 200


@pytest.mark.parametrize(("version", "is_of"), [("", "2.0"), ("2", "2.0"), ("3", "3.0.3"), ("3.1", "3.1.0")])
def test_the_openapi_document_is_that_of_the_model(client, live, version, is_of):
    answer = read_openapi(client, live, version)
    assert answer.status_code == 200
    document = answer.json()
    assert document.get("swagger") or document["openapi"] == is_of
    assert "height 4, width 4 and 1 channels into 3 classes" in document["info"]["description"]


def test_what_is_live_says_where_to_look_and_how_to_ask(client, live):
    assert live.model == "tiny:1"
    workspace = client.workspaces.get(client.workspace_name)
    page = f"https://ml.azure.com/endpoints/realtime/{ENDPOINT}/detail?wsid={workspace.id}"
    assert live.studio_url.lower() == page.lower()
    for words in (f"invoke --name {ENDPOINT} ", f"--workspace-name {client.workspace_name} "):
        assert words in live.invoke_command


def test_what_is_live_is_findable_by_run_and_model(client, live):
    deployment = client.online_deployments.get(live.deployment_name, ENDPOINT)
    assert deployment.id == live.deployment_id
    assert deployment.tags == {"model": "tiny:1"}
    assert deployment.properties["kfp_azureml.run_id"] == "run-1"
    model = client.models.get("tiny", "1")
    assert model.properties["kfp_azureml.run_id"] == "run-1"
    assert model.tags["accuracy"] == "0.9100"


def test_again_finds_the_same_version_and_deployment_and_uploads_nothing(
    workspace, client, live, model, scored, monkeypatch
):
    def upload(*_args, **_kwargs):
        raise AssertionError("nothing is to be uploaded again")

    monkeypatch.setattr("azure.ai.ml.operations._model_operations._check_and_upload_path", upload)
    monkeypatch.setattr("azure.ai.ml.operations._code_operations._check_and_upload_path", upload)
    registered = register_model(model, model_name="tiny", score_result=scored, run_id="run-2", **workspace)
    assert registered.version == "1"
    assert deploy_model("tiny", "1", ENDPOINT, score_result=scored, run_id="run-2", **workspace) == live
    assert [version.version for version in client.models.list("tiny")] == ["1"]
    assert [deployment.name for deployment in client.online_deployments.list(ENDPOINT)] == [live.deployment_name]


def test_another_content_is_the_next_version(workspace, live, tmp_path):
    other = write_tiny_model(tmp_path / "model", seed=5)
    assert register_model(other, model_name="tiny", **workspace).version == "2"


def test_an_altered_model_is_refused(workspace, tmp_path, scored):
    altered = write_tiny_model(tmp_path / "model", seed=5)
    with pytest.raises(ModelError, match=r"model\.json: modified"):
        register_model(altered, model_name="tiny", score_result=scored, **workspace)


def test_a_crashing_script_fails_with_its_log_and_live_traffic_stays(workspace, client, live, tmp_path, caplog):
    code = user_code(tmp_path / "code", init='raise RuntimeError("the model is cursed")')
    with pytest.raises(DeploymentError, match="deployment crash of endpoint tiny-classifier") as failed:
        deploy_model(
            "tiny", "1", ENDPOINT, deployment_name="crash", code=code, conda_file=Path("conda.yaml"), **workspace
        )
    assert "\n" not in str(failed.value)
    ours = [record for record in caplog.records if record.name.startswith("kfp_azureml")]
    (log,) = [record.message for record in ours if record.levelno == logging.ERROR]
    assert "the model is cursed" in log
    assert live_traffic(client.online_endpoints.get(ENDPOINT)) == live.traffic
    assert ask(client, live, {"images": [base64.b64encode(bytes(16)).decode()]}).status_code == 200


def test_a_deployment_that_answers_wrongly_gets_no_traffic(workspace, client, live, tmp_path):
    other = write_tiny_model(tmp_path / "model", seed=7)
    registered = register_model(other, model_name="tiny-other", **workspace)
    expecting_another = write_tiny_score(tmp_path / "scored", write_tiny_model(tmp_path / "third", seed=8))
    with pytest.raises(DeploymentError, match="predictions differ from the score step"):
        deploy_model("tiny-other", registered.version, ENDPOINT, score_result=expecting_another, **workspace)
    assert live_traffic(client.online_endpoints.get(ENDPOINT)) == live.traffic


def test_code_of_the_users_own_is_asked_the_users_request(workspace, live, client, tmp_path):
    code = user_code(tmp_path / "code", run='return {"echo": data}')
    (tmp_path / "request.json").write_text('{"x": 1}')
    echo = deploy_model(
        "tiny",
        "1",
        deployment_name="echo",
        code=code,
        conda_file=Path("conda.yaml"),
        request=tmp_path / "request.json",
        **workspace,
    )
    assert echo.endpoint_name.startswith("tiny-")
    assert echo.traffic == {"echo": 100}
    assert ask(client, echo, {"x": 2}).json() == {"echo": '{"x":2}'}


def test_a_wrong_secret_is_one_line(workspace, model, monkeypatch):
    monkeypatch.setenv("AZ_CLIENT_SECRET", "not-the-secret")
    with pytest.raises(CredentialsError, match="AZ_CLIENT_SECRET is not a secret") as refused:
        register_model(model, model_name="tiny", **workspace)
    assert "\n" not in str(refused.value)
    assert "not-the-secret" not in str(refused.value)


def test_a_wrong_workspace_is_one_line(workspace, model):
    with pytest.raises(WorkspaceError, match=r"workspace nowhere in resource group .* does not exist"):
        register_model(model, model_name="tiny", resource_group=workspace["resource_group"], workspace="nowhere")


def test_a_model_that_is_not_registered_is_one_line(workspace):
    with pytest.raises(ModelError, match="model tiny version 99: not registered"):
        deploy_model("tiny", "99", ENDPOINT, **workspace)
