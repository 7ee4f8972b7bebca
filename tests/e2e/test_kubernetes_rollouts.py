"""Every strategy on an attached Kubernetes cluster: rollouts, rollback, retries, resources, an address without TLS."""

import logging

import httpx
import pytest

from azureml_emulator import running_emulator
from azureml_emulator.test_control.behaviours import Behaviour
from azureml_emulator.test_control.client import Control
from azureml_emulator.test_control.faults import EndOperation
from kfp_azureml.azureml.rollout.endpoint import live_traffic
from kfp_azureml.runtime.errors import DeploymentError
from running import shorten_waits
from step_calls import deploy_model, register_model

CLUSTER, ENDPOINT = "k8s", "on-the-cluster"


@pytest.fixture(scope="module")
def emulator():
    with running_emulator(arguments=["--control", "--scoring", "instant"]) as info:
        yield info


@pytest.fixture(scope="module")
def control(emulator):
    with Control(emulator) as one:
        yield one


@pytest.fixture(autouse=True)
def quick(monkeypatch, control):
    shorten_waits(monkeypatch)
    yield
    control.clear_faults()
    control.clear_behaviours()


@pytest.fixture
def deploy(workspace, client, model, scored):
    """Return a function that deploys to the cluster; before, an endpoint with a live deployment `old`."""
    registered = register_model(model, model_name="tiny", score_result=scored, **workspace)

    def deploy(deployment_name="new", **given):
        given = {"compute": CLUSTER, "soak_seconds": 1, "score_result": scored, **workspace, **given}
        return deploy_model("tiny", registered.version, ENDPOINT, deployment_name=deployment_name, **given)

    deploy("old", strategy="all-at-once")
    yield deploy
    client.online_endpoints.begin_delete(ENDPOINT).result()


def names(client):
    return sorted(one.name for one in client.online_deployments.list(ENDPOINT))


@pytest.mark.parametrize(
    ("strategy", "steps", "soak_seconds", "stages", "keep"),
    [
        ("all-at-once", [], 0, [], True),
        ("blue-green", [], 1, ["100 % of the traffic"], True),
        ("canary", [50, 100], 1, ["50 % of the traffic", "100 % of the traffic"], False),
    ],
)
def test_a_strategy_moves_the_traffic(client, control, deploy, caplog, strategy, steps, soak_seconds, stages, keep):
    caplog.set_level(logging.INFO)
    control.clear_requests()
    live = deploy(strategy=strategy, traffic_steps=steps, soak_seconds=soak_seconds, keep_previous=keep)
    assert live.traffic == live_traffic(client.online_endpoints.get(ENDPOINT)) == {"new": 100}
    assert names(client) == (["new", "old"] if keep else ["new"])
    watched = [one.message for one in caplog.records if "deployment new" in one.message and "monitoring" in one.message]
    # There are no metrics of all requests: nobody asks for them, and the log names no such source.
    assert watched == [f"deployment new, {stage}: monitoring for 0 s, with probes of this step" for stage in stages]
    assert not [one for one in control.requests() if "microsoft.insights" in one.target.lower()]


def test_mirror_is_refused_with_the_reason(control, deploy):
    control.clear_requests()
    with pytest.raises(DeploymentError, match="mirror: Azure mirrors traffic on managed endpoints only: set another"):
        deploy(strategy="mirror")
    assert control.requests() == []


@pytest.mark.parametrize("strategy", ["blue-green", "canary"])
def test_a_deployment_that_fails_under_traffic_is_rolled_back(client, control, deploy, strategy):
    # The smoke test and the probe of the first step pass.
    control.set_behaviours([Behaviour(endpoint=ENDPOINT, deployment="new", status=500, from_request=3)])
    with pytest.raises(DeploymentError, match=r"requests failed, .*; the traffic is as before: old 100 %"):
        deploy(strategy=strategy)
    assert live_traffic(client.online_endpoints.get(ENDPOINT)) == {"old": 100}
    # Run again it is completed.
    control.clear_behaviours()
    assert deploy(strategy=strategy).traffic == {"new": 100}


def test_a_failed_first_provisioning_is_made_again(client, control, deploy):
    no_room = "PodUnschedulable: Unable to schedule pod to nodes, due to insufficient resources in your cluster."
    control.set_faults([EndOperation(method="PUT", path="*/deployments/new", code="PodUnschedulable", message=no_room)])
    with pytest.raises(DeploymentError, match="no node of the cluster can take the container") as failed:
        deploy()
    assert "\n" not in str(failed.value)
    assert live_traffic(client.online_endpoints.get(ENDPOINT)) == {"old": 100}
    control.clear_faults()
    assert deploy().traffic == {"new": 100}


def test_the_address_has_no_tls_and_that_is_said(deploy, caplog):
    live = deploy()
    assert httpx.URL(live.scoring_uri).scheme == "http"
    assert (
        f"endpoint {ENDPOINT}: {live.scoring_uri} has no TLS: its key and all data are sent unencrypted" in caplog.text
    )


def test_resources_and_instances(client, control, deploy):
    resources = {"requests": {"cpu": "250m"}, "limits": {"cpu": "1", "memory": "3Gi"}}
    deploy(resources=resources, instance_type="defaultinstancetype", instance_count=2)
    made = client.online_deployments.get("new", ENDPOINT)
    assert (made.resources.requests.cpu, made.resources.limits.memory, made.instance_count) == ("250m", "3Gi", 2)
    control.clear_requests()
    # The same again changes nothing, other resources are applied.
    deploy(resources=resources, instance_count=2)
    assert not [one for one in control.requests() if one.method == "PUT"]
    deploy(resources={"limits": {"memory": "4Gi"}}, instance_count=2)
    changed = client.online_deployments.get("new", ENDPOINT)
    assert (changed.resources.limits.memory, changed.instance_count) == ("4Gi", 2)


def test_resources_on_a_managed_endpoint_are_refused(deploy):
    with pytest.raises(DeploymentError, match="resources: are for Kubernetes; on a managed endpoint set instance_type"):
        deploy(compute="", resources={"limits": {"cpu": "1"}})
