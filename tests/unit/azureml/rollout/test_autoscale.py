"""Autoscale settings, read and written through the real client of Azure Resource Manager."""

import pytest

from azure_errors import arm_error
from azure_manager import manage
from azure_workspace import PREFIX, deployment, endpoint
from http_double import Response, json_response
from kfp_azureml.azureml.arm import resource_manager
from kfp_azureml.azureml.rollout.autoscale import copy_autoscale, delete_autoscale, set_autoscale, settings_of
from kfp_azureml.azureml.rollout.scaling import Scaling
from kfp_azureml.runtime.errors import DeploymentError, KfpAzuremlError

GROUP = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Insights/autoscalesettings"
ENDPOINT = f"{PREFIX}/fashion"
BLUE, GREEN, TEAL = (f"{ENDPOINT}/deployments/{name}" for name in ("blue", "green", "teal"))
EXPIRED = json_response(401, {"error": arm_error("ExpiredAuthenticationToken")})
CUT = Response(200, b'{"value": [')
REFUSED = json_response(403, {"error": arm_error("AuthorizationFailed", "the identity may not")})


def named(name):
    made = deployment(name)
    made._id = f"{ENDPOINT}/deployments/{name}"
    return made


def rules(resource_id, name):
    """Return what Azure's studio makes of "scale with this deployment's CPU and that endpoint's latency"."""
    return [
        {
            "metricTrigger": {
                "metricName": "CpuUtilizationPercentage",
                "metricResourceUri": resource_id,
                "dimensions": [],
                "threshold": 70,
            },
            "scaleAction": {"direction": "Increase", "type": "ChangeCount", "value": "1", "cooldown": "PT5M"},
        },
        {
            "metricTrigger": {
                "metricName": "RequestLatency",
                "metricResourceUri": ENDPOINT,
                "dimensions": [
                    {"DimensionName": "deployment", "Operator": "Equals", "Values": [name]},
                    {"DimensionName": "statusCodeClass", "Operator": "Equals", "Values": ["blue"]},
                ],
            },
            "scaleAction": {"direction": "Decrease", "type": "ChangeCount", "value": "1", "cooldown": "PT5M"},
        },
    ]


def settings(name, resource_id, deployment_name):
    return {
        "id": f"{GROUP}/{name}",
        "name": name,
        "type": "Microsoft.Insights/autoscaleSettings",
        "location": "region",
        "tags": {"owner": "shop"},
        "properties": {
            "name": name,
            "enabled": True,
            "targetResourceUri": resource_id,
            "profiles": [
                {
                    "name": "daytime",
                    "capacity": {"minimum": "2", "maximum": "5", "default": "2"},
                    "rules": rules(resource_id, deployment_name),
                }
            ],
        },
    }


@pytest.fixture
def manager(monkeypatch):
    return manage(monkeypatch)


@pytest.fixture
def arm(manager):
    with resource_manager() as client:
        yield client


def have(manager, *given):
    manager.settings = {one["id"]: one for one in given}


OF_BLUE = settings("by-hand", BLUE, "blue")
OF_TEAL = settings("of-teal", TEAL, "teal")


@pytest.mark.parametrize("written", [BLUE, BLUE.upper(), BLUE.lower()])
def test_a_copy_names_the_new_deployment_wherever_the_settings_named_the_live_one(manager, arm, written):
    have(manager, OF_TEAL, OF_TEAL | {"id": f"{GROUP}/other"}, settings("by-hand", written, "blue"))
    before = dict(manager.settings)
    copy_autoscale(arm, "fashion", named("blue"), named("green"))
    made = manager.settings.pop(f"{GROUP}/autoscale-fashion-green")
    assert made == {
        "id": f"{GROUP}/autoscale-fashion-green",
        "location": "region",
        "tags": {"owner": "shop"},
        "properties": {
            "enabled": True,
            "targetResourceUri": GREEN,
            "profiles": [
                {
                    "name": "daytime",
                    "capacity": {"minimum": "2", "maximum": "5", "default": "2"},
                    "rules": rules(GREEN, "green"),
                }
            ],
        },
    }
    assert manager.settings == before


@pytest.mark.parametrize("given", [[], [OF_TEAL], [OF_BLUE, settings("there", GREEN, "green")]])
def test_nothing_is_copied_where_there_is_nothing_or_one_already(manager, arm, given):
    have(manager, *given)
    copy_autoscale(arm, "fashion", named("blue"), named("green"))
    assert manager.writes == []


def test_without_the_right_to_read_them_none_is_copied_and_that_is_said(manager, arm, caplog):
    manager.failing = [REFUSED]
    copy_autoscale(arm, "fashion", named("blue"), named("green"))
    assert manager.writes == []
    (message,) = caplog.messages
    assert message.startswith("deployment green: autoscale settings of blue not copied, they cannot be read")
    assert "role 'Monitoring Reader'" in message


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("fault", [EXPIRED, CUT])
def test_a_fault_of_the_moment_does_not_keep_them_from_being_copied(manager, arm, clock, number, fault):
    have(manager, OF_BLUE)
    answers = [json_response(200, {"value": [OF_BLUE]}), json_response(200, {"value": []})]
    manager.failing = [*answers[:number], fault]
    copy_autoscale(arm, "fashion", named("blue"), named("green"))
    assert f"{GROUP}/autoscale-fashion-green" in manager.settings


@pytest.mark.parametrize("fault", [EXPIRED, CUT, json_response(400, {"error": arm_error("Odd", "no")})])
def test_what_cannot_be_read_for_another_reason_than_a_missing_role_is_an_error(manager, arm, clock, fault):
    have(manager, OF_BLUE)
    manager.failing = [fault] * 9
    with pytest.raises(KfpAzuremlError, match="reading the autoscale settings of deployments blue and green"):
        copy_autoscale(arm, "fashion", named("blue"), named("green"))
    assert manager.writes == []


def test_who_has_never_used_azure_monitor_has_none(manager, arm, caplog):
    manager.failing = [json_response(409, {"error": arm_error("MissingSubscriptionRegistration")})]
    copy_autoscale(arm, "fashion", named("blue"), named("green"))
    assert (manager.writes, caplog.messages) == ([], [])


def test_without_the_right_to_write_them_none_is_copied_and_that_is_said(manager, arm, caplog):
    have(manager, OF_BLUE)
    of_blue = json_response(200, {"value": [OF_BLUE]})
    manager.failing = [of_blue, of_blue, REFUSED]
    copy_autoscale(arm, "fashion", named("blue"), named("green"))
    assert manager.writes == ["PUT autoscale-fashion-green"]
    (message,) = caplog.messages
    assert message.startswith("deployment green: autoscale settings of blue not copied, they cannot be written")
    assert "Microsoft.Insights/autoscaleSettings/write" in message
    # What the other roles are for has nothing to do with it.
    assert "AzureML Data Scientist" not in message


def test_what_cannot_be_written_for_another_reason_is_an_error(manager, arm):
    have(manager, OF_BLUE)
    of_blue = json_response(200, {"value": [OF_BLUE]})
    manager.failing = [of_blue, of_blue, json_response(400, {"error": arm_error("Odd", "no")})]
    with pytest.raises(DeploymentError, match="copying the autoscale settings of blue to green: Odd: no"):
        copy_autoscale(arm, "fashion", named("blue"), named("green"))


def test_settings_are_those_of_exactly_one_deployment(manager, arm):
    longer = settings("longer", f"{BLUE}-2", "blue-2")
    have(manager, OF_TEAL, longer, OF_BLUE)
    assert settings_of(arm, BLUE) == [OF_BLUE]
    assert settings_of(arm, GREEN) == []


def test_those_of_a_deployment_that_is_no_more_are_deleted(manager, arm):
    have(manager, OF_TEAL, OF_BLUE)
    delete_autoscale(arm, BLUE)
    assert list(manager.settings) == [OF_TEAL["id"]]
    delete_autoscale(arm, BLUE)


@pytest.mark.parametrize("failing", [[REFUSED], [json_response(200, {"value": [OF_BLUE]}), REFUSED]])
def test_what_cannot_be_deleted_stays_and_is_named(manager, arm, caplog, failing):
    have(manager, OF_BLUE)
    manager.failing = failing
    delete_autoscale(arm, BLUE)
    assert list(manager.settings) == [OF_BLUE["id"]]
    assert f"deleting the autoscale settings of {BLUE}" in caplog.text


def shop():
    made = endpoint()
    made.location = "region"
    return made


def test_a_deployment_scales_with_its_cpu(manager, arm):
    set_autoscale(arm, shop(), named("green"), Scaling(max_instances=4, min_instances=2))
    (made,) = manager.settings.values()
    assert (made["id"], made["location"]) == (f"{GROUP}/autoscale-fashion-green", "region")
    (profile,) = made["properties"]["profiles"]
    assert profile["capacity"] == {"minimum": "2", "maximum": "4", "default": "2"}
    triggers = [rule["metricTrigger"] for rule in profile["rules"]]
    assert [(one["operator"], one["threshold"]) for one in triggers] == [("GreaterThan", 70), ("LessThan", 35)]
    assert {one["metricResourceUri"] for one in triggers} == {made["properties"]["targetResourceUri"]} == {GREEN}
    # Again, and as Azure shows it: with fields of its own, and another case.
    made["properties"]["profiles"][0]["rules"][0]["metricTrigger"] |= {"dividePerInstance": False}
    made["location"], made["properties"]["targetResourceUri"] = "Region", GREEN.upper()
    set_autoscale(arm, shop(), named("green"), Scaling(max_instances=4, min_instances=2))
    assert manager.writes == ["PUT autoscale-fashion-green"]


def test_settings_that_a_deployment_has_are_replaced_under_their_name(manager, arm):
    have(manager, settings("by-hand", GREEN, "green"), OF_BLUE | {"id": f"{GROUP}/of-blue"})
    set_autoscale(arm, shop(), named("green"), Scaling(max_instances=4))
    assert manager.writes == ["PUT by-hand"]
    assert set(manager.settings) == {f"{GROUP}/by-hand", f"{GROUP}/of-blue"}
    assert manager.settings[f"{GROUP}/by-hand"]["properties"]["profiles"][0]["capacity"]["maximum"] == "4"


def test_scaling_that_is_asked_for_and_not_permitted_is_an_error(manager, arm):
    manager.failing = [json_response(200, {"value": []}), REFUSED]
    with pytest.raises(DeploymentError, match=r"autoscaleSettings/write.*grant it, or leave autoscale out"):
        set_autoscale(arm, shop(), named("green"), Scaling(max_instances=4))


@pytest.mark.parametrize("number", range(2))
@pytest.mark.parametrize("fault", [EXPIRED, CUT])
def test_a_fault_of_the_moment_does_not_keep_it_from_scaling(manager, arm, clock, number, fault):
    manager.failing = [*[json_response(200, {"value": []})][:number], fault]
    set_autoscale(arm, shop(), named("green"), Scaling(max_instances=4))
    assert f"{GROUP}/autoscale-fashion-green" in manager.settings
