"""What differs on an attached Kubernetes cluster."""

import pytest
from azure.ai.ml.entities import AmlCompute, KubernetesCompute, KubernetesOnlineDeployment

from azure_workspace import Workspace
from kfp_azureml.azureml.rollout.kubernetes import (
    ContainerResources,
    check_compute,
    read_resources,
    warn_without_tls,
)
from kfp_azureml.runtime.errors import DeploymentError

GIVEN = {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": 1.0, "memory": "2Gi", "gpu": 1}}


def test_resources_are_the_quantities_of_kubernetes():
    resources = read_resources(GIVEN, on_kubernetes=True)
    assert resources == ContainerResources({"cpu": "500m", "memory": "1Gi"}, {"cpu": "1", "memory": "2Gi", "gpu": "1"})
    entity = resources.entity()
    assert (entity.requests.memory, entity.requests.gpu, entity.limits.gpu) == ("1Gi", None, "1")
    deployment = KubernetesOnlineDeployment(name="d", endpoint_name="e", resources=entity)
    assert resources.are_those_of(deployment)
    assert not ContainerResources({"cpu": "1"}).are_those_of(deployment)
    assert not ContainerResources({"cpu": "1"}).are_those_of(KubernetesOnlineDeployment(name="d", endpoint_name="e"))
    assert read_resources({}, on_kubernetes=False) is None
    assert ContainerResources(limits={"cpu": "1"}).entity().requests is None


@pytest.mark.parametrize(
    ("given", "on_kubernetes", "said"),
    [
        (GIVEN, False, "resources: are for Kubernetes; on a managed endpoint set instance_type"),
        ({"cpu": "1"}, True, "resources 'cpu': expected requests and limits"),
        ({"requests": "1"}, True, "resources 'requests': expected requests and limits"),
        ({"limits": {"disk": "1Gi"}}, True, "resources limits disk: expected cpu, memory, gpu"),
        ({"limits": {"memory": "2 GB"}}, True, "resources limits memory '2 GB': is not a quantity of Kubernetes"),
        ({"limits": {"cpu": True}}, True, "resources limits cpu 'True': is not a quantity"),
        ({"limits": {"cpu": "-1"}}, True, "resources limits cpu '-1': is not a quantity"),
    ],
)
def test_other_resources_are_refused(given, on_kubernetes, said):
    with pytest.raises(DeploymentError, match=said):
        read_resources(given, on_kubernetes=on_kubernetes)


@pytest.mark.parametrize("instance_type", ["", "gpu"])
def test_an_attached_cluster_is_fine(instance_type):
    check_compute(Workspace(), "/subscriptions/s/x/computes/k8s", instance_type)


@pytest.mark.parametrize(
    ("found", "instance_type", "said"),
    [
        (AmlCompute(name="k8s"), "", "compute k8s: is of type amlcompute"),
        (
            KubernetesCompute(name="k8s", provisioning_state="Failed", provisioning_errors="ClusterNotReachable"),
            *("", "compute k8s: attaching it failed .ClusterNotReachable.: detach it and attach it again"),
        ),
        (None, "huge", "instance_type huge: compute k8s has defaultinstancetype, gpu: set one of them"),
    ],
)
def test_a_cluster_that_cannot_take_it_is_said_before_anything_is_made(found, instance_type, said):
    azure = Workspace()
    if found:
        azure.compute.get = lambda _name: found
    with pytest.raises(DeploymentError, match=said):
        check_compute(azure, "k8s", instance_type)


def test_an_address_without_tls_is_warned_of(caplog):
    warn_without_tls("fashion", "https://10.0.0.4/api/v1/endpoint/fashion/score")
    assert caplog.text == ""
    warn_without_tls("fashion", "http://10.0.0.4/api/v1/endpoint/fashion/score")
    assert "endpoint fashion: http://10.0.0.4/api/v1/endpoint/fashion/score has no TLS: its key" in caplog.text
