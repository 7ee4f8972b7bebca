"""From what a user asks for to what is rolled out: what is refused before Azure is asked, and what is asked of it."""

import json
from types import SimpleNamespace

import pytest
from azure.core.exceptions import ResourceNotFoundError
from click.testing import CliRunner

from azure_errors import arm_error, response_error
from blob_container import contain
from kfp_azureml.azureml import workspace as workspace_module
from kfp_azureml.azureml.rollout import go_live as live_module
from kfp_azureml.azureml.rollout.go_live import Live
from kfp_azureml.azureml.rollout.probe import probe_from_sample
from kfp_azureml.azureml.rollout.strategy import Limits, Strategy
from kfp_azureml.runtime.errors import CancelledError, DeploymentError, InvalidNameError, ModelError
from kfp_azureml.steps.aml_deploy_model import deploy as deploy_module
from kfp_azureml.steps.command import component_command
from step_calls import deploy_model

SAMPLE = json.dumps({"images": ["AA==", "AQ=="], "predicted": [0, 2]}).encode()
OTHER = json.dumps({"images": ["Ag=="], "predicted": [1]}).encode()
FOLDER = "kfp-azureml/hash/model"


@pytest.fixture
def rolled_out(monkeypatch):
    """What `go_live` was asked to do; the workspace has model `net:3`, with a sample in its folder."""
    container, client = contain(monkeypatch)
    container.blobs[f"{FOLDER}/sample.json"] = SAMPLE
    models = {("net", "3"): "custom_model", ("flow", "1"): "mlflow_model"}

    def get(name, version):
        if (name, version) not in models:
            raise response_error(404, arm_error("ResourceNotFound"), ResourceNotFoundError)
        path = f"azureml://datastores/workspaceblobstore/paths/{FOLDER}"
        return SimpleNamespace(
            id=f"/models/{name}/{version}", name=name, version=version, path=path, type=models[name, version]
        )

    vars(client).update(
        models=SimpleNamespace(get=get), subscription_id="s", resource_group_name="rg", workspace_name="ws"
    )
    monkeypatch.setattr(workspace_module, "workspace_client", lambda *_names: client)
    seen = SimpleNamespace(container=container)

    def go_live(rollout, probe):
        desired = rollout.desired
        vars(seen).update(desired=desired, strategy=rollout.strategy, probe=probe, deadline=rollout.deadline)
        return Live("/endpoints/e", "/deployments/d", "https://e/score", {desired.deployment: 100})

    monkeypatch.setattr(live_module, "go_live", go_live)
    return seen


def test_what_was_asked_for_is_rolled_out(rolled_out):
    deployed = deploy_model(
        "net",
        "3",
        "shop",
        strategy="canary",
        traffic_steps=[5, 100],
        soak_seconds=7,
        min_sample_accuracy=0.9,
        max_error_rate=0.02,
        max_latency_ms=50,
        keep_previous=False,
        timeout_seconds=99,
        run_id="run-7",
    )
    assert rolled_out.strategy == Strategy("canary", [5, 100], 10, 7, False, Limits(0.9, 0.02, 50))
    assert (rolled_out.desired.endpoint, rolled_out.desired.model, rolled_out.desired.run_id) == (
        "shop",
        "net:3",
        "run-7",
    )
    assert rolled_out.deadline.seconds == 99
    assert rolled_out.deadline.look_at == deployed.studio_url
    assert deployed.deployment_name == rolled_out.desired.deployment
    assert deployed.traffic == {deployed.deployment_name: 100}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"endpoint_name": "a_b"}, "endpoint_name 'a_b'"),
        ({"deployment_name": "-"}, "deployment_name '-'"),
        ({"instance_count": -1}, "instance_count -1"),
        ({"strategy": "red-black"}, "strategy 'red-black'"),
        ({"strategy": "mirror", "compute": "k8s"}, "managed endpoints only"),
        ({"max_error_rate": 2}, "max_error_rate 2"),
        (
            {"strategy": "canary", "soak_seconds": 1200},
            "soak time of 3600 s in all does not fit into timeout_seconds=3600",
        ),
        (
            {"strategy": "mirror", "soak_seconds": 1800},
            "soak time of 3600 s in all does not fit into timeout_seconds=3600",
        ),
        ({"timeout_seconds": 60}, "soak_seconds 60: soak time of 60 s in all does not fit into timeout_seconds=60"),
    ],
)
def test_what_cannot_be_is_refused_before_azure_is_asked(monkeypatch, given, said):
    monkeypatch.setattr(workspace_module, "workspace_client", lambda *_names: pytest.fail("Azure was asked"))
    with pytest.raises((DeploymentError, InvalidNameError), match=said):
        deploy_model("net", "3", **given)


@pytest.mark.parametrize("given", [{"strategy": "canary", "soak_seconds": 1199}, {"strategy": "all-at-once"}])
def test_what_fits_in_the_stated_time_is_not_refused(rolled_out, given):
    deploy_model("net", "3", timeout_seconds=3600, **given)


def test_the_sample_that_travels_with_the_model_is_what_is_asked(rolled_out):
    deploy_model("net", "3", min_sample_accuracy=0.5)
    assert rolled_out.probe == probe_from_sample(SAMPLE, 0.5)


def test_the_score_steps_sample_comes_first(rolled_out, tmp_path):
    (tmp_path / "sample.json").write_bytes(OTHER)
    deploy_model("net", "3", score_result=tmp_path)
    assert rolled_out.probe == probe_from_sample(OTHER)
    assert rolled_out.container.asked == []


def test_a_request_of_the_users_own_comes_before_both(rolled_out, tmp_path):
    (tmp_path / "request.json").write_text('{"x": 1}')
    (tmp_path / "sample.json").write_bytes(OTHER)
    deploy_model("net", "3", score_result=tmp_path, request=tmp_path / "request.json")
    assert rolled_out.probe.body == b'{"x": 1}'


def test_a_model_without_a_sample_is_asked_nothing(rolled_out):
    rolled_out.container.blobs.clear()
    deploy_model("net", "3")
    assert rolled_out.probe is None


@pytest.mark.parametrize(
    ("model", "given", "said"),
    [
        (
            ("net", "3"),
            {"max_latency_ms": 0.5},
            r"max_latency_ms 0\.5: cannot be checked.* set score_result or request",
        ),
        (("net", "3"), {"min_sample_accuracy": 0.9}, r"min_sample_accuracy 0\.9: cannot be checked"),
        (("flow", "1"), {"max_latency_ms": 20}, "max_latency_ms 20: cannot be checked.* set request,"),
    ],
)
def test_a_limit_that_nothing_is_asked_for_is_refused(rolled_out, model, given, said):
    rolled_out.container.blobs.clear()
    with pytest.raises(DeploymentError, match=said):
        deploy_model(*model, strategy="canary", **given)
    assert not hasattr(rolled_out, "desired")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"strategy": "canary"}, ["only Azure Monitor's request metrics are watched"]),
        ({"strategy": "mirror", "min_sample_accuracy": 0}, ["only Azure Monitor's request metrics are watched"]),
        ({"strategy": "blue-green", "compute": "k8s"}, ["nothing is watched"]),
        ({"strategy": "blue-green", "soak_seconds": 0}, []),
        ({"strategy": "all-at-once"}, []),
    ],
)
def test_where_nothing_is_asked_it_is_said_what_is_watched(rolled_out, caplog, given, said):
    rolled_out.container.blobs.clear()
    deploy_model("net", "3", **given)
    about = f"strategy {given['strategy']}: no sample and no request to probe the deployment with, so "
    assert caplog.messages == [f"{about}{one}: set score_result or request" for one in said]


def test_a_broken_sample_is_an_error(rolled_out):
    rolled_out.container.blobs[f"{FOLDER}/sample.json"] = b"{"
    with pytest.raises(ModelError, match=r"sample\.json: not a sample"):
        deploy_model("net", "3")


def test_what_our_script_does_not_serve_is_not_asked_our_sample(rolled_out, tmp_path, caplog):
    (tmp_path / "sample.json").write_bytes(OTHER)
    deploy_model("flow", "1", score_result=tmp_path)
    assert rolled_out.probe is None
    assert "its sample fits the suite's entry script only" in caplog.text


def test_a_model_that_is_not_registered_is_said(rolled_out):
    with pytest.raises(ModelError, match="model net version 9: not registered in workspace ws"):
        deploy_model("net", "9")


def test_a_cancelled_step_says_so_by_its_exit_code(monkeypatch, tmp_path, capsys):
    def stop(*_arguments, **_settings):
        raise CancelledError("cancelled by SIGTERM; deployment green of endpoint fashion: deleted")

    monkeypatch.setattr(deploy_module, "deploy_model", stop)
    options = ["--model-name", "net", "--model-version", "3", "--outputs", str(tmp_path)]
    ended = CliRunner().invoke(component_command("aml_deploy_model"), options)
    assert ended.exit_code == 130
    assert "deployment green of endpoint fashion: deleted" in ended.output
