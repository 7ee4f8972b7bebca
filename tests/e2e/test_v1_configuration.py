"""The configuration files of SDK v1, deployed through the real SDK on a current Python."""

import json
import shutil
from pathlib import Path

import pytest

from kfp_azureml.azureml.arm import resource_manager
from kfp_azureml.azureml.rollout.autoscale import settings_of
from kfp_azureml.runtime.errors import DeploymentError
from scoring import ask
from step_calls import deploy_model, register_model

SAMPLE = Path(__file__).with_name("v1_sample")
CLUSTER = "k8s"
FILES = {"inference_config": "inferenceconfig.json"}


@pytest.fixture(scope="module")
def version(workspace, model):
    return register_model(model, model_name="v1", **workspace).version


@pytest.fixture(scope="module")
def request_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("request") / "request.json"
    path.write_text(json.dumps({"data": [[1, 2, 3]]}))
    return path


@pytest.fixture
def code(tmp_path):
    return Path(shutil.copytree(SAMPLE, tmp_path / "src"))


def deploy(workspace, version, endpoint, code, request_file, **given):
    return deploy_model(
        "v1", version, endpoint, code=code, request=request_file, strategy="all-at-once", **FILES, **workspace, **given
    )


def test_the_sample_for_aci_answers_on_a_managed_endpoint(workspace, client, version, code, request_file, caplog):
    given = {"deployment_config": "deploymentconfig-aci.json"}
    live = deploy(workspace, version, "v1-aci", code, request_file, **given)
    assert ask(client, live, {"data": [[1, 2, 3], [0, 0, 1]]}).json() == [8.0, 2.0]
    deployment = client.online_deployments.get(live.deployment_name, "v1-aci")
    assert (deployment.type, deployment.instance_type) == ("Managed", "Standard_DS1_v2")
    assert deployment.app_insights_enabled
    for said in ("python=3.6.2", "azureml-defaults", "azureml-core: left out"):
        assert said in caplog.text
    # A retry finds all of it, whatever it was translated from.
    assert deploy(workspace, version, "v1-aci", code, request_file, **given) == live
    # They hold the address of the last operation.
    assert client.online_deployments.get(live.deployment_name, "v1-aci").properties == deployment.properties


def test_the_sample_for_aks_answers_on_a_managed_endpoint_that_scales(
    workspace, client, version, code, request_file, caplog
):
    live = deploy(workspace, version, "v1-aks", code, request_file, deployment_config="deploymentconfig-aks.json")
    assert ask(client, live, {"data": [[1, 2, 3]]}).json() == [8.0]
    assert "computeType" in caplog.text
    assert "nothing is collected" in caplog.text
    deployment = client.online_deployments.get(live.deployment_name, "v1-aks")
    assert sorted(deployment.data_collector.collections) == ["model_inputs", "model_outputs"]
    with resource_manager() as arm:
        (settings,) = settings_of(arm, live.deployment_id)
    capacity = settings["properties"]["profiles"][0]["capacity"]
    assert capacity == {"minimum": "1", "maximum": "3", "default": "1"}


def test_the_sample_for_aks_answers_on_the_cluster(workspace, client, version, code, request_file):
    live = deploy(
        workspace,
        version,
        "v1-cluster",
        code,
        request_file,
        deployment_config="deploymentconfig-aks.json",
        compute=CLUSTER,
    )
    assert ask(client, live, {"data": [[1, 2, 3]]}).json() == [8.0]
    deployment = client.online_deployments.get(live.deployment_name, "v1-cluster")
    scale = deployment.scale_settings
    assert (deployment.type, scale.min_instances, scale.max_instances) == ("Kubernetes", 1, 3)
    assert (deployment.resources.requests.cpu, deployment.resources.requests.memory) == ("0.5", "1Gi")


def test_a_script_with_sdk_v1_is_refused_before_anything_is_created(workspace, client, version, code, request_file):
    script = (code / "score.py").read_text()
    (code / "score.py").write_text("from azureml.core.model import Model\n" + script)
    with pytest.raises(DeploymentError, match=r"score\.py line 1: imports azureml\.core\.model.*AZUREML_MODEL_DIR"):
        deploy(workspace, version, "v1-refused", code, request_file)
    assert "v1-refused" not in [endpoint.name for endpoint in client.online_endpoints.list()]
