"""The settings of a deployment, from the parameters to the service and back through the real SDK."""

import sys

import pytest

from kfp_azureml.azureml.arm import resource_manager
from kfp_azureml.azureml.rollout.autoscale import settings_of
from kfp_azureml.azureml.rollout.environment import SERVING_FOLDER
from kfp_azureml.runtime.errors import DeploymentError
from scoring import ask
from step_calls import deploy_model, register_model

ENDPOINT = "tiny-settings"
SETTINGS = {
    "request_timeout_seconds": 20,
    "max_concurrent_requests": 3,
    "probes": {"liveness": {"initial_delay": 3, "failure_threshold": 7}, "readiness": {"period": 1.0}},
    "app_insights": True,
    "data_collector": {"collections": ["response", "request"], "sampling_rate": 0.5, "rolling_rate": "day"},
    "autoscale": {"max_instances": 4, "min_instances": 2},
}


@pytest.fixture(scope="module")
def version(workspace, model, scored):
    return register_model(model, model_name="tiny-settings", score_result=scored, **workspace).version


@pytest.fixture
def deploy(workspace, version, scored):
    def call(**given):
        given = {"strategy": "all-at-once", "score_result": scored, **workspace, **given}
        return deploy_model("tiny-settings", version, given.pop("endpoint", ENDPOINT), **given)

    return call


def scaling(live):
    with resource_manager() as arm:
        return settings_of(arm, live.deployment_id)


def test_settings_arrive_are_found_again_and_changed_in_place(client, deploy):
    live = deploy(**SETTINGS)
    deployment = client.online_deployments.get(live.deployment_name, ENDPOINT)
    requests, liveness, collector = deployment.request_settings, deployment.liveness_probe, deployment.data_collector
    assert (requests.request_timeout_ms, requests.max_concurrent_requests_per_instance) == (20_000, 3)
    assert (liveness.initial_delay, liveness.period, liveness.failure_threshold) == (3, 10, 7)
    assert deployment.readiness_probe.period == 1
    assert deployment.app_insights_enabled
    assert sorted(collector.collections) == ["request", "response"]
    assert (collector.sampling_rate, collector.rolling_rate.lower()) == (0.5, "day")
    assert deployment.instance_count == 2
    (settings,) = scaling(live)

    assert deploy(**SETTINGS) == live
    # They hold the address of the last operation.
    assert client.online_deployments.get(live.deployment_name, ENDPOINT).properties == deployment.properties
    assert scaling(live) == [settings]

    # The defaults again, and another maximum: the same deployment, updated, with the same number of instances.
    assert deploy(autoscale={"max_instances": 5}) == live
    deployment = client.online_deployments.get(live.deployment_name, ENDPOINT)
    assert (deployment.request_settings.request_timeout_ms, deployment.app_insights_enabled) == (60_000, False)
    assert (deployment.data_collector, deployment.instance_count) == (None, 2)
    assert [one["properties"]["profiles"][0]["capacity"]["maximum"] for one in scaling(live)] == ["5"]


def test_a_request_that_takes_longer_than_its_timeout_is_refused(client, deploy, tmp_path):
    script = "import json, time\n\ndef init(): ...\n\ndef run(data):\n    time.sleep(json.loads(data))\n"
    (tmp_path / "score.py").write_text(script)
    conda = (SERVING_FOLDER / "conda.yaml").read_text()
    python = f"python={sys.version_info.major}.{sys.version_info.minor}"
    (tmp_path / "conda.yaml").write_text(conda.replace("python=3.11", python))
    given = {"endpoint": "tiny-slow", "code": tmp_path, "conda_file": "conda.yaml", "score_result": None}
    live = deploy(**given, request_timeout_seconds=1)
    assert [ask(client, live, seconds).status_code for seconds in (0, 3)] == [200, 408]


def test_settings_on_the_cluster(client, deploy):
    given = {
        "endpoint": "tiny-scaled",
        "compute": "k8s",
        "request_timeout_seconds": 200,
        "autoscale": {"max_instances": 3, "polling_interval": 5},
    }
    live = deploy(**given)
    deployment = client.online_deployments.get(live.deployment_name, "tiny-scaled")
    scale = deployment.scale_settings
    assert (scale.max_instances, scale.polling_interval, scale.target_utilization_percentage) == (3, 5, 70)
    assert deployment.request_settings.request_timeout_ms == 200_000
    assert deploy(**given) == live


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"request_timeout_seconds": 181}, "managed endpoints allow at most 180 seconds"),
        ({"autoscale": {"max_instances": 2}, "instance_count": 2}, "leave one of them out"),
    ],
)
def test_settings_that_azure_would_refuse_are_one_line(deploy, given, said):
    with pytest.raises(DeploymentError, match=said):
        deploy(**given)
