"""Settings of a deployment's server: what a parameter may be, and what an entity of the SDK says of it."""

import pytest
from azure.ai.ml.entities import DataCollector, DeploymentCollection, ManagedOnlineDeployment

from kfp_azureml.azureml.rollout.server_settings import (
    DataCollection,
    HealthProbe,
    RequestSettings,
    ServerSettings,
    read_data_collection,
    read_probes,
    read_request_settings,
)
from kfp_azureml.azureml.rollout.settings_entities import has_settings, settings_entities
from kfp_azureml.runtime.errors import DeploymentError


def test_what_is_not_set_is_as_it_always_was():
    settings = ServerSettings(
        read_request_settings(0, 0, on_kubernetes=False), *read_probes({}), False, read_data_collection({})
    )
    assert settings == ServerSettings()
    entities = settings_entities(settings)
    requests, probe = entities["request_settings"], entities["liveness_probe"]
    assert (requests.request_timeout_ms, requests.max_concurrent_requests_per_instance) == (60_000, 16)
    assert vars(probe) == vars(entities["readiness_probe"])
    assert vars(probe) == {
        "initial_delay": 10, "period": 10, "timeout": 10, "success_threshold": 1, "failure_threshold": 60,
    }  # fmt: skip
    assert (entities["app_insights_enabled"], entities["data_collector"]) == (False, None)


def test_what_is_left_out_keeps_its_default():
    liveness, readiness = read_probes({"readiness": {"period": 3.0, "timeout": None, "success_threshold": 2}})
    assert liveness == HealthProbe()
    assert readiness == HealthProbe(period=3, success_threshold=2)
    assert read_data_collection({"collections": ["a", "a", "b"]}) == DataCollection(("a", "b"), 1.0, "hour")
    assert read_data_collection({"sampling_rate": 0}) == DataCollection(sampling_rate=0.0)


@pytest.mark.parametrize(
    ("timeout", "concurrent", "said"),
    [
        (181, 0, "request_timeout_seconds 181: managed endpoints allow at most 180 seconds"),
        (-1, 0, "request_timeout_seconds -1: must be a whole number, 0 or more"),
        (1.5, 0, "request_timeout_seconds 1.5: must be a whole number"),
        (float("nan"), 0, "request_timeout_seconds nan: must be a whole number"),
        (0, -3, "max_concurrent_requests -3: must be a whole number, 0 or more"),
        (0, 10**9, "max_concurrent_requests 1000000000: must be a whole number"),
    ],
)
def test_limits_of_requests_out_of_range(timeout, concurrent, said):
    with pytest.raises(DeploymentError, match=said):
        read_request_settings(timeout, concurrent, on_kubernetes=False)


def test_a_cluster_has_no_limit_of_its_own():
    assert read_request_settings(300, 5, on_kubernetes=True) == RequestSettings(300, 5)


@pytest.mark.parametrize(
    ("probes", "said"),
    [
        ([], r"probes \[\]: must be a dictionary with liveness, readiness"),
        ({"startup": {}}, "probes: unknown field 'startup'; known are liveness, readiness"),
        ({"liveness": 3}, "probes liveness 3: must be a dictionary"),
        ({"liveness": {"path": "/"}}, "probes liveness: unknown field 'path'; known are initial_delay, period"),
        ({"readiness": {"period": 0}}, "probes readiness period 0: must be a whole number, 1 or more"),
        ({"readiness": {"period": True}}, "probes readiness period True: must be a whole number"),
        ({"readiness": {"period": "x" * 500}}, r"probes readiness period 'x{59} \.\.\.: must"),
        ({"readiness": {"timeout": float("inf")}}, "probes readiness timeout inf: must"),
        ({"liveness": {"success_threshold": 2}}, "probes liveness success_threshold 2: must be 1"),
    ],
)
def test_probes_that_are_none(probes, said):
    with pytest.raises(DeploymentError, match=said) as refused:
        read_probes(probes)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("collector", "said"),
    [
        ({"collection": ["a"]}, "data_collector: unknown field 'collection'"),
        ({"collections": []}, "data_collector collections: must be a list of names"),
        ({"collections": "model_inputs"}, "data_collector collections: must be a list of names"),
        ({"collections": ["../a"]}, "data_collector collection '../a': must be letters, digits and '_'"),
        ({"sampling_rate": 2}, "data_collector sampling_rate 2: must be 0 to 1"),
        ({"sampling_rate": float("nan")}, "data_collector sampling_rate nan: must be 0 to 1"),
        ({"rolling_rate": "week"}, "data_collector rolling_rate week: set one of minute, hour, day"),
    ],
)
def test_data_collectors_that_are_none(collector, said):
    with pytest.raises(DeploymentError, match=said):
        read_data_collection(collector)


FULL = ServerSettings(
    RequestSettings(30, 4, 1500), HealthProbe(period=5), HealthProbe(timeout=7), True, DataCollection(("a", "b"), 0.5)
)


@pytest.mark.parametrize(
    "other",
    [
        ServerSettings(),
        ServerSettings(RequestSettings(31, 4), FULL.liveness, FULL.readiness, True, FULL.data_collection),
        ServerSettings(RequestSettings(30, 5), FULL.liveness, FULL.readiness, True, FULL.data_collection),
        ServerSettings(RequestSettings(30, 4, 3000), FULL.liveness, FULL.readiness, True, FULL.data_collection),
        ServerSettings(FULL.requests, HealthProbe(), FULL.readiness, True, FULL.data_collection),
        ServerSettings(FULL.requests, FULL.liveness, HealthProbe(), True, FULL.data_collection),
        ServerSettings(FULL.requests, FULL.liveness, FULL.readiness, False, FULL.data_collection),
        ServerSettings(FULL.requests, FULL.liveness, FULL.readiness, True, None),
        ServerSettings(FULL.requests, FULL.liveness, FULL.readiness, True, DataCollection(("a",), 0.5)),
        ServerSettings(FULL.requests, FULL.liveness, FULL.readiness, True, DataCollection(("a", "b"), 0.6)),
        ServerSettings(FULL.requests, FULL.liveness, FULL.readiness, True, DataCollection(("a", "b"), 0.5, "day")),
    ],
)
def test_each_setting_makes_a_deployment_differ(other):
    made = ManagedOnlineDeployment(name="green", **settings_entities(FULL))
    made.request_settings.max_queue_wait_ms = 1000  # as the SDK reads 1.5 s
    assert has_settings(made, FULL)
    assert not has_settings(made, other)


def test_what_azure_does_not_show_is_no_difference():
    made = ManagedOnlineDeployment(
        name="green", data_collector=DataCollector({"a": DeploymentCollection(enabled="no")})
    )
    assert has_settings(made, ServerSettings())
