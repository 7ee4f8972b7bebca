"""Deploy through the real SDK on an attached Kubernetes cluster, and MLflow models without code."""

import base64
import json

import httpx
import pytest
from azure.ai.ml.entities import (
    KubernetesOnlineDeployment,
    ManagedOnlineEndpoint,
    ResourceRequirementsSettings,
    ResourceSettings,
    TargetUtilizationScaleSettings,
)

from kfp_azureml.azureml.rollout.endpoint import live_traffic
from kfp_azureml.runtime.errors import DeploymentError
from scoring import ask
from step_calls import deploy_model, register_model
from tiny_classifier import predict, tiny_images
from tiny_mlflow import COLUMNS, TENSOR, write_mlflow_model

CLUSTER = "k8s"
ON_CLUSTER = "tiny-on-cluster"


@pytest.fixture(scope="module")
def registered(workspace, model, scored):
    return register_model(model, model_name="tiny-kinds", score_result=scored, **workspace)


@pytest.fixture(scope="module")
def on_cluster(workspace, registered, scored):
    """Deploy the tiny model to the attached cluster."""
    return deploy_model("tiny-kinds", registered.version, ON_CLUSTER, compute=CLUSTER, score_result=scored, **workspace)


def test_the_endpoint_on_the_cluster_answers_as_the_model_does(client, on_cluster, model):
    images = tiny_images(20)
    answer = ask(client, on_cluster, {"images": [base64.b64encode(image.tobytes()).decode() for image in images]})
    assert answer.status_code == 200
    predicted = [prediction["index"] for prediction in answer.json()["predictions"]]
    assert predicted == predict(model, images).argmax(axis=1).tolist()
    assert httpx.URL(on_cluster.scoring_uri).path == f"/api/v1/endpoint/{ON_CLUSTER}/score"


def test_a_cluster_passes_on_what_the_model_says_of_a_bad_request(client, on_cluster):
    answer = ask(client, on_cluster, {"images": []})
    assert (answer.status_code, answer.json()["error"]) == (400, 'expected {"images": [...]} with at least one image')


def test_the_sdk_reads_the_cluster_its_endpoint_and_deployment(client, on_cluster):
    cluster = client.compute.get(CLUSTER)
    endpoint = client.online_endpoints.get(ON_CLUSTER)
    deployment = client.online_deployments.get(on_cluster.deployment_name, ON_CLUSTER)
    assert (cluster.type, cluster.namespace) == ("kubernetes", "default")
    assert (endpoint.compute, live_traffic(endpoint)) == (cluster.id, on_cluster.traffic)
    assert deployment.instance_type == "defaultinstancetype"
    assert (deployment.instance_count, deployment.scale_settings.type) == (1, "default")
    assert (deployment.resources.requests.cpu, deployment.resources.limits.memory) == ("100m", "2Gi")
    assert "POST /score" in client.online_deployments.get_logs(on_cluster.deployment_name, ON_CLUSTER, lines=100)


def test_on_the_cluster_again_finds_what_is_there(workspace, client, registered, on_cluster, scored):
    again = deploy_model(
        "tiny-kinds", registered.version, ON_CLUSTER, compute=CLUSTER, score_result=scored, **workspace
    )
    assert again == on_cluster
    assert len(list(client.online_deployments.list(ON_CLUSTER))) == 1


def test_containers_and_scaling_of_a_deployment_on_the_cluster(client, on_cluster):
    first = client.online_deployments.get(on_cluster.deployment_name, ON_CLUSTER)
    deployment = client.online_deployments.begin_create_or_update(
        KubernetesOnlineDeployment(
            name="scaled",
            endpoint_name=ON_CLUSTER,
            model=first.model,
            environment=first.environment,
            code_configuration=first.code_configuration,
            resources=ResourceRequirementsSettings(limits=ResourceSettings(cpu="1", memory="3Gi")),
            scale_settings=TargetUtilizationScaleSettings(max_instances=3),
        )
    ).result()
    scale = deployment.scale_settings
    assert (scale.min_instances, scale.max_instances, scale.polling_interval) == (1, 3, 1)
    limits, requests = deployment.resources.limits, deployment.resources.requests
    assert (limits.cpu, limits.memory, limits.gpu, requests.cpu) == ("1", "3Gi", None, "100m")


@pytest.mark.parametrize(
    ("compute", "instance_type", "said"),
    [
        ("nowhere", "", "compute nowhere is not attached to workspace local"),
        ("cpu-cluster", "", "compute cpu-cluster: is of type amlcompute, and online endpoints run on Kubernetes only"),
        (
            CLUSTER,
            "Standard_DS3_v2",
            "instance_type Standard_DS3_v2: compute k8s has defaultinstancetype",
        ),
    ],
)
def test_what_cannot_run_there_is_one_line(workspace, registered, compute, instance_type, said):
    with pytest.raises(DeploymentError, match=said) as failed:
        deploy_model(
            "tiny-kinds",
            registered.version,
            f"tiny-{compute}",
            compute=compute,
            instance_type=instance_type,
            **workspace,
        )
    assert "\n" not in str(failed.value)


def test_an_endpoint_stays_where_it_is(workspace, client, registered, on_cluster):
    client.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="tiny-managed", auth_mode="key")).result()
    for endpoint, compute, said in [
        ("tiny-managed", CLUSTER, "exists as a managed endpoint: set another endpoint_name, or leave compute empty"),
        (ON_CLUSTER, "", "exists on compute k8s: set another endpoint_name, or compute=k8s"),
        (ON_CLUSTER, "other", "exists on compute k8s: set another endpoint_name, or compute=k8s"),
    ]:
        with pytest.raises(DeploymentError, match=f"endpoint {endpoint}: {said}"):
            deploy_model("tiny-kinds", registered.version, endpoint, compute=compute, **workspace)


@pytest.mark.parametrize(
    ("name", "inputs", "compute", "asked", "kind"),
    [
        ("sums-of-columns", COLUMNS, "", {"columns": ["y", "x"], "index": [7], "data": [[1, 2.5]]}, "DataFrame"),
        ("sums-of-tensors", TENSOR, CLUSTER, [[1, 2.5]], "ndarray"),
    ],
)
def test_an_mlflow_model_is_live_without_code(
    workspace, client, tmp_path, scored, caplog, name, inputs, compute, asked, kind
):
    folder = write_mlflow_model(tmp_path / "model", inputs)
    (tmp_path / "request.json").write_text(json.dumps({"input_data": asked}))
    registered = register_model(folder, model_name=name, model_type="mlflow_model", **workspace)
    request = tmp_path / "request.json"
    live = deploy_model(name, registered.version, name, compute=compute, request=request, **workspace)
    # A sample from score is for our own entry script, and no reason to refuse this model.
    assert deploy_model(name, registered.version, name, compute=compute, score_result=scored, **workspace) == live
    assert "its sample fits the suite's entry script only" in caplog.text

    assert ask(client, live, {"input_data": asked}).json() == [3.5]
    assert f"asked with a {kind}" in client.online_deployments.get_logs(live.deployment_name, name, lines=100)
    for wrong in ({"data": [[1, 2]]}, {"input_data": {"columns": ["z"], "data": [[1]]}}, {"input_data": "x"}):
        answer = ask(client, live, wrong)
        assert answer.headers.get("ms-azureml-model-error-statuscode", str(answer.status_code)) == "400"
        assert answer.json()["error"]


def test_an_mlflow_model_whose_environment_cannot_be_built_is_one_line(workspace, tmp_path):
    folder = write_mlflow_model(tmp_path / "model", COLUMNS, ("./no-such-package",))
    registered = register_model(folder, model_name="unbuildable", model_type="mlflow_model", **workspace)
    with pytest.raises(DeploymentError, match=r"the environment could not be built.*/build\.log") as failed:
        deploy_model("unbuildable", registered.version, "unbuildable", **workspace)
    assert "\n" not in str(failed.value)
