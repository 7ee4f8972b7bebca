"""Each field of a deploymentconfig.json: translated, reported or refused."""

import re

import pytest

from kfp_azureml.runtime.errors import DeploymentError
from kfp_azureml.steps.aml_deploy_model.v1_configuration import deployment_config
from kfp_azureml.steps.aml_deploy_model.v1_configuration.instance_types import SIZES, smallest_size
from kfp_azureml.steps.aml_deploy_model.v1_configuration.translation import with_v1_files

ACI, AKS = {"computeType": "ACI"}, {"computeType": "aks", "autoScaler": {"autoscaleEnabled": False}}


@pytest.fixture
def translate(parameters, write, caplog):
    """Translate a document with given parameters; return what it changed, and the warnings."""

    def call(document, **given):
        before = parameters(**given)
        caplog.clear()
        after = with_v1_files(before, "", write(document, "deploymentconfig.json"))
        changed = {name: value for name, value in vars(after).items() if value != getattr(before, name)}
        return changed, "\n".join(caplog.messages)

    return call


@pytest.mark.parametrize(
    ("document", "given", "changed"),
    [
        (ACI, {}, {}),
        ({"computeType": "aci", "enableAppInsights": "True"}, {}, {"app_insights": True}),
        (ACI | {"appInsightsEnabled": True}, {}, {"app_insights": True}),
        (ACI | {"appInsightsEnabled": False, "enableAppInsights": "False"}, {}, {}),
        (
            ACI | {"containerResourceRequirements": {"cpu": 1, "memoryInGB": 1}},
            {},
            {"instance_type": "Standard_DS1_v2"},
        ),
        (
            ACI
            | {"containerResourceRequirements": {"cpu": 0.1, "cpuLimit": 2, "memoryInGB": 4, "memoryInGBLimit": 4.7}},
            {},
            {"instance_type": "Standard_DS2_v2"},
        ),
        (ACI | {"containerResourceRequirements": {"gpu": 1}}, {}, {"instance_type": "Standard_NC4as_T4_v3"}),
        (AKS | {"gpuCores": 2}, {}, {"instance_type": "Standard_NC64as_T4_v3"}),
        (
            AKS | {"containerResourceRequirements": {"cpu": 0.5, "memoryInGB": 1.0, "cpuLimit": 2}, "gpuCores": 1},
            {"compute": "k8s"},
            {
                "resources": {
                    "requests": {"cpu": "0.5", "memory": "1Gi", "gpu": "1"},
                    "limits": {"cpu": "2", "gpu": "1"},
                }
            },
        ),
        (AKS | {"numReplicas": 3}, {}, {"instance_count": 3}),
        (
            AKS | {"autoScaler": {"autoscaleEnabled": True, "minReplicas": 2, "maxReplicas": 5}},
            {},
            {"autoscale": {"min_instances": 2, "max_instances": 5, "target_utilization_percentage": 70}},
        ),
        (
            {
                "computeType": "aks",
                "autoScaler": {"maxReplicas": 5, "refreshPeriodInSeconds": 9, "targetUtilization": 50},
            },
            {"compute": "k8s"},
            {
                "autoscale": {
                    "min_instances": 1,
                    "max_instances": 5,
                    "target_utilization_percentage": 50,
                    "polling_interval": 9,
                }
            },
        ),
        (AKS | {"autoScaler": {"autoscaleEnabled": False, "maxReplicas": 9}}, {}, {}),
        (
            AKS | {"dataCollection": {"storageEnabled": True}},
            {},
            {"data_collector": {"collections": ["model_inputs", "model_outputs"]}},
        ),
        (
            ACI | {"collectModelData": "true"},
            {},
            {"data_collector": {"collections": ["model_inputs", "model_outputs"]}},
        ),
        (ACI | {"scoringTimeoutMs": 1500}, {}, {"request_timeout_seconds": 2}),
        (
            AKS | {"scoringTimeoutMs": 300_000},
            {"compute": "k8s"},
            {"request_timeout_seconds": 300},
        ),
        (ACI | {"maxConcurrentRequestsPerContainer": 4}, {}, {"max_concurrent_requests": 4}),
        (AKS | {"maxQueueWaitMs": 700}, {"compute": "k8s"}, {"max_queue_wait_ms": 700}),
        (
            ACI
            | {
                "livenessProbeRequirements": {
                    "periodSeconds": 3,
                    "initialDelaySeconds": 0,
                    "timeoutSeconds": 4,
                    "successThreshold": 1,
                    "failureThreshold": 5,
                }
            },
            {"probes": {"readiness": {"period": 2}}},
            {
                "probes": {
                    "readiness": {"period": 2},
                    "liveness": {
                        "period": 3,
                        "initial_delay": 1,
                        "timeout": 4,
                        "success_threshold": 1,
                        "failure_threshold": 5,
                    },
                }
            },
        ),
        ({"computeType": "aksEndpoint", "versionName": "v7"}, {}, {"deployment_name": "v7"}),
        ({"computeType": "aksEndpoint", "trafficPercentile": 100}, {}, {}),
    ],
)
def test_what_has_a_counterpart_is_translated(translate, document, given, changed):
    assert translate(document, **given)[0] == changed


@pytest.mark.parametrize("name", deployment_config.IGNORED)
def test_what_has_none_is_reported_by_name_without_its_value(translate, name):
    value = {"primaryKey": "s3cret"} if name == "keys" else "s3cret" if name.startswith("ssl") else True
    changed, said = translate(ACI | {name: value})
    assert changed == {}
    assert f"deploymentconfig.json: {name}: has no counterpart: {deployment_config.IGNORED[name]}" in said
    assert "s3cret" not in said
    # And what asks for nothing is not.
    assert name not in translate(ACI | {name: None})[1]


@pytest.mark.parametrize("name", deployment_config.REFUSED)
def test_what_protects_something_is_refused(translate, name):
    with pytest.raises(DeploymentError, match=f'deploymentconfig.json: {name} "x": has no counterpart on an endpoint'):
        translate(ACI | {name: "x"})


@pytest.mark.parametrize(
    ("document", "given", "said"),
    [
        (ACI | {"authEnabled": False}, {}, "authEnabled: endpoints always ask for a key"),
        ({"computeType": "aks"}, {}, "autoScaler: SDK v1 scaled from 1 to 10 containers without it"),
        (AKS | {"computeTargetName": "myaks"}, {}, "computeType: goes to a managed endpoint.*cluster myaks, attach it"),
        (ACI, {"compute": "k8s"}, "computeType: goes to Kubernetes, since compute='k8s' is set"),
        (AKS | {"maxQueueWaitMs": 500}, {}, "maxQueueWaitMs: has no counterpart on managed endpoints"),
        (AKS | {"dataCollection": {"eventHubEnabled": True}}, {}, "dataCollection.eventHubEnabled: has no counterpart"),
        (AKS | {"sslEnabled": True}, {"compute": "k8s"}, "sslEnabled: TLS is set up in the cluster's"),
        (
            AKS | {"autoScaler": {"autoscaleEnabled": True, "refreshPeriodInSeconds": 1}},
            {},
            "autoScaler.refreshPeriodInSeconds: has no counterpart on managed endpoints",
        ),
        (ACI | {"scoringTimeOutMs": 3}, {}, "scoringTimeOutMs: unknown, .*did you mean scoringTimeoutMs?"),
        (ACI | {"zebra": 3}, {}, "zebra: unknown, and ignored as by SDK v1: remove it"),
        (ACI | {"livenessProbeRequirements": {"path": "/"}}, {}, "livenessProbeRequirements.path: unknown"),
    ],
)
def test_what_differs_is_said(translate, document, given, said):
    assert re.search(said, translate(document, **given)[1])


@pytest.mark.parametrize(
    ("document", "given", "kept", "said"),
    [
        (
            ACI | {"containerResourceRequirements": {"cpu": 1}},
            {"instance_type": "Standard_F4s_v2"},
            "instance_type",
            "the parameter instance_type='Standard_F4s_v2' replaces it",
        ),
        (AKS | {"numReplicas": 3}, {"instance_count": 2}, "instance_count", "instance_count=2 replaces 3"),
        (AKS | {"numReplicas": 3}, {"autoscale": {"max_instances": 2}}, "instance_count", "autoscale replaces it"),
        (
            {"computeType": "aks", "autoScaler": {"maxReplicas": 4}},
            {"instance_count": 2},
            "autoscale",
            "autoScaler: instance_count=2 replaces it",
        ),
        (
            ACI | {"scoringTimeoutMs": 299_000},
            {"request_timeout_seconds": 9},
            "request_timeout_seconds",
            "replaces 299",
        ),
        (
            ACI | {"maxConcurrentRequestsPerContainer": 4},
            {"max_concurrent_requests": 5},
            "max_concurrent_requests",
            "max_concurrent_requests=5 replaces 4",
        ),
        (
            ACI | {"collectModelData": True},
            {"data_collector": {"collections": ["request"]}},
            "data_collector",
            "the parameter data_collector=",
        ),
        (
            ACI | {"livenessProbeRequirements": {"periodSeconds": 3}},
            {"probes": {"liveness": {"period": 4}}},
            "probes",
            "the parameter probes replaces it",
        ),
        (ACI | {"versionName": "v7"}, {"deployment_name": "mine"}, "deployment_name", "'mine' replaces 'v7'"),
    ],
)
def test_a_parameter_wins_and_the_contradiction_is_said(translate, document, given, kept, said):
    changed, warnings = translate(document, **given)
    assert kept not in changed
    assert said in warnings


def test_what_agrees_is_no_contradiction(translate):
    assert translate(ACI | {"scoringTimeoutMs": 9000}, request_timeout_seconds=9) == ({}, "")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({}, "computeType null: missing: set ACI or AKS"),
        ({"computeType": "local"}, r'computeType "local": run the pipeline on this machine instead'),
        ({"computeType": "mir"}, 'computeType "mir": set ACI or AKS'),
        ({"computeType": 3}, "computeType 3: must be a string"),
        (ACI | {"scoringTimeoutMs": 200_000}, "scoringTimeoutMs 200000: managed endpoints allow at most 180 s"),
        (ACI | {"scoringTimeoutMs": 10**400}, "scoringTimeoutMs 10{59} .*: must be a number from 1 to 300000"),
        (ACI | {"scoringTimeoutMs": 1.5}, "scoringTimeoutMs 1.5: must be a whole number"),
        (ACI | {"appInsightsEnabled": "perhaps"}, 'appInsightsEnabled "perhaps": must be true or false'),
        (ACI | {"containerResourceRequirements": [1]}, r"containerResourceRequirements \[\.\.\.\]: must be an object"),
        (ACI | {"containerResourceRequirements": {"cpu": True}}, "cpu true: must be a number from 0 to 1000"),
        (ACI | {"containerResourceRequirements": {"cpu": "1"}}, 'cpu "1": must be a number'),
        (ACI | {"containerResourceRequirements": {"cpu": 500}}, "no known size has 500 cores.*set instance_type"),
        (ACI | {"containerResourceRequirements": {"fpga": 1}}, "fpga 1: has no counterpart"),
        (
            {"computeType": "aks", "numReplicas": 1, "autoScaler": {"autoscaleEnabled": True}},
            "numReplicas 1: autoScaler is on and sets the number",
        ),
        ({"computeType": "aks", "autoScaler": {"minReplicas": 11}}, "minReplicas 11: is more than maxReplicas 10"),
        (AKS | {"livenessProbeRequirements": {"successThreshold": 2}}, "successThreshold must be 1"),
        (AKS | {"trafficPercentile": 20}, "trafficPercentile 20: a rollout ends with all traffic"),
    ],
)
def test_what_cannot_be_translated_is_one_line(translate, document, said):
    with pytest.raises(DeploymentError, match=f"deploymentconfig.json: .*{said}") as refused:
        translate(document)
    assert "\n" not in str(refused.value)


# The table of https://learn.microsoft.com/azure/machine-learning/migrate-to-v2-managed-online-endpoints: the largest
# container of each row.
@pytest.mark.parametrize(
    ("cpu", "memory", "size"),
    [
        (1, 1.2, "DS1_v2"), (2, 1.7, "F2s_v2"), (2, 4.7, "DS2_v2"), (2, 13.7, "E2s_v3"),
        (4, 5.7, "F4s_v2"), (4, 11.7, "DS3_v2"), (4, 16, "E4s_v3"),
    ],
)  # fmt: skip
def test_sizes_are_those_that_azure_suggests(cpu, memory, size):
    found = smallest_size(cpu, memory)
    assert found is not None
    assert found.name == f"Standard_{size}"


def test_a_gpu_is_chosen_only_for_containers_that_have_one():
    assert not any(smallest_size(size.cores, 1).gpus for size in SIZES if not size.gpus)
    assert smallest_size(1, 1, 5) is None
