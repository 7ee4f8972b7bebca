"""Undoing, from every point that a roll-out can have got to; and again, since the first time may not have got far."""

from dataclasses import replace

import pytest
from azure.ai.ml.entities import KubernetesOnlineDeployment

from azure_errors import arm_error, response_error
from azure_manager import manage
from azure_workspace import PREFIX, deployment, endpoint
from kfp_azureml.azureml.rollout import cleanup as cleanup_module
from kfp_azureml.azureml.rollout.cleanup import clean_up, clean_up_command
from kfp_azureml.azureml.rollout.endpoint import mirror_traffic
from kfp_azureml.azureml.rollout.marker import DEPLOYMENT, ENDPOINT, Marker, read_markers
from kfp_azureml.azureml.waiting import Deadline
from kfp_azureml.runtime.errors import DeploymentError

BEFORE = {"blue": 90, "teal": 10}
SETTINGS = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Insights/autoscalesettings"
BACK = "endpoint fashion: traffic rolled back: blue 90 %, teal 10 %"
DELETED = "deployment green of endpoint fashion: deleted"


@pytest.fixture(autouse=True)
def manager(monkeypatch):
    return manage(monkeypatch)


def begun(azure, traffic, *names, made=(DEPLOYMENT,), before=BEFORE, mirrored=None):
    """Have a roll-out of `green` that got somewhere."""
    marker = Marker("green", "run-7", before, made, 5)
    azure.add(endpoint(traffic, mirrored, **{marker.tag: marker.value}), *(deployment(name) for name in names))
    return marker


def test_an_endpoint_deleted_midway_is_nothing_left_to_undo(azure, deadline, monkeypatch):
    marker = begun(azure, {"green": 100}, "blue", "teal", "green")
    original = cleanup_module.take_traffic_from

    def too_late(*arguments, **options):
        azure.forget_endpoint("fashion")
        return original(*arguments, **options)

    monkeypatch.setattr(cleanup_module, "take_traffic_from", too_late)
    assert clean_up(azure, "fashion", marker, deadline) == ["endpoint fashion: deleted by another client"]


POINTS = {
    "marked": (BEFORE, ["blue", "teal"], {}, []),
    "made": (BEFORE, ["blue", "teal", "green"], {}, [DELETED]),
    "mirrored": (BEFORE, ["blue", "teal", "green"], {"green": 20}, [BACK, DELETED]),
    "first step": ({"blue": 81, "teal": 9, "green": 10}, ["blue", "teal", "green"], {}, [BACK, DELETED]),
    "last step": ({"green": 100}, ["blue", "teal", "green"], {}, [BACK, DELETED]),
}


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("made", [(DEPLOYMENT,), ()])
def test_from_every_point_all_is_as_it_was_before(azure, deadline, point, made):
    traffic, there, mirrored, said = POINTS[point]
    marker = begun(azure, traffic, *there, made=made, mirrored=mirrored)
    kept = [name for name in there if name != "green" or not made]
    assert clean_up(azure, "fashion", marker, deadline) == [line for line in said if made or line != DELETED]
    assert (azure.traffic(), list(azure.deployments())) == (BEFORE, kept)
    assert mirror_traffic(azure.endpoint()) == {}
    assert azure.endpoint().tags == {"owner": "shop"}
    # A second time there is nothing to do.
    count = len(azure.writes)
    assert clean_up(azure, "fashion", marker, deadline) == []
    assert len(azure.writes) == count


def test_the_mark_is_the_last_to_go(azure, deadline):
    clean_up(azure, "fashion", begun(azure, {"green": 100}, "blue", "teal", "green"), deadline)
    assert azure.done == ["PUT endpoint fashion", "DELETE deployment green", "PUT endpoint fashion"]
    assert read_markers(azure.writes[0].resource.tags)


@pytest.mark.parametrize(("traffic", "names"), [({}, []), ({}, ["green"]), ({"green": 100}, ["green"])])
def test_of_a_first_roll_out_nothing_is_left(azure, deadline, traffic, names):
    marker = begun(azure, traffic, *names, made=(ENDPOINT, DEPLOYMENT), before={})
    said = clean_up(azure, "fashion", marker, deadline)
    assert said[-1] == "endpoint fashion: deleted"
    assert not azure.has_endpoint()
    assert clean_up(azure, "fashion", marker, deadline) == []


@pytest.mark.parametrize("others", ["deployment", "mark"])
def test_an_endpoint_that_others_have_come_to_use_stays(azure, deadline, others):
    marker = begun(azure, {}, "green", made=(ENDPOINT, DEPLOYMENT), before={})
    other = Marker("teal", "run-9", {}, (DEPLOYMENT,), 6)
    if others == "deployment":
        azure.add_deployment("fashion", deployment("teal"))
    else:
        azure.endpoint().tags[other.tag] = other.value
    assert clean_up(azure, "fashion", marker, deadline) == [DELETED]
    assert read_markers(azure.endpoint().tags) == ([other] if others == "mark" else [])


def test_what_another_roll_out_does_on_the_endpoint_stays(azure, deadline):
    marker = begun(azure, {"blue": 50, "pink": 40, "green": 10}, "blue", "teal", "green", "pink")
    clean_up(azure, "fashion", marker, deadline)
    assert azure.traffic() == {"blue": 56, "pink": 44}
    assert list(azure.deployments()) == ["blue", "teal", "pink"]


@pytest.mark.parametrize("gone", [["blue"], ["teal"], ["blue", "teal"]])
def test_what_has_taken_over_for_good_stays_live(azure, deadline, gone):
    """The run died while it deleted the previous deployments, or somebody has deleted one of them since."""
    there = [name for name in ("blue", "teal", "green") if name not in gone]
    marker = begun(azure, {"green": 100}, *there)
    said = clean_up(azure, "fashion", marker, deadline)
    assert said == [f"deployment green of endpoint fashion: stays live, {gone[0]} was deleted"]
    assert (azure.traffic(), list(azure.deployments())) == ({"green": 100}, there)
    assert read_markers(azure.endpoint().tags) == []


def test_traffic_never_goes_back_to_what_is_being_deleted(azure, deadline):
    marker = begun(azure, {"green": 100}, "teal", "green")
    azure.add_deployment("fashion", deployment("blue"), "Deleting")
    clean_up(azure, "fashion", marker, deadline)
    assert azure.traffic() == {"green": 100}


def test_a_deployment_that_lost_its_traffic_and_is_no_more_does_not_matter_before_ours_has_any(azure, deadline):
    marker = begun(azure, {"teal": 100}, "teal", "green")
    assert clean_up(azure, "fashion", marker, deadline) == [DELETED]
    assert azure.traffic() == {"teal": 100}


def test_the_copied_autoscale_settings_go_with_the_deployment(azure, deadline, manager):
    marker = begun(azure, BEFORE, "blue", "teal", "green")
    for name in ("blue", "green"):
        target = {"targetResourceUri": f"{PREFIX}/fashion/deployments/{name}"}
        manager.settings[f"{SETTINGS}/{name}"] = {"id": f"{SETTINGS}/{name}", "location": "r", "properties": target}
    clean_up(azure, "fashion", marker, deadline)
    assert list(manager.settings) == [f"{SETTINGS}/blue"]


def test_on_kubernetes_there_are_none(azure, deadline, manager):
    marker = begun(azure, BEFORE, "blue", "teal")
    azure.add_deployment("fashion", KubernetesOnlineDeployment(name="green", endpoint_name="fashion"))
    clean_up(azure, "fashion", marker, deadline)
    assert "green" not in azure.deployments()
    assert manager.asked == []


@pytest.mark.parametrize("since", ["finished", "begun again"])
@pytest.mark.parametrize("moment", ["before it is read", "once it was read"])
def test_a_mark_that_has_grown_stale_undoes_nothing(azure, deadline, monkeypatch, since, moment):
    """Reconcile lists all marks first; meanwhile the step is run again."""
    marker = begun(azure, {"green": 100}, "blue", "teal", "green")

    def move_on(*_names):
        tags = azure.endpoint().tags
        tags.pop(marker.tag)
        if since == "begun again":
            tags[marker.tag] = replace(marker, since=9).value
        return ""

    if moment == "before it is read":
        move_on()
    else:
        monkeypatch.setattr(cleanup_module, "_deleted_previous", move_on)
    assert clean_up(azure, "fashion", marker, deadline) == []
    assert azure.writes == []


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("moment", ["before", "after"])
def test_undoing_that_was_broken_off_is_finished_the_next_time(azure, deadline, number, moment):
    marker = begun(azure, {"green": 100}, "blue", "teal", "green")
    writes = []

    def break_off(write):
        writes.append(write)
        if len(writes) == number + 1:
            raise response_error(400, arm_error("Odd", "no"))

    setattr(azure, moment, break_off)
    with pytest.raises(DeploymentError, match="Odd: no"):
        clean_up(azure, "fashion", marker, deadline)
    for left in read_markers(azure.endpoint().tags):
        assert left == marker
        clean_up(azure, "fashion", left, deadline)
    assert (azure.traffic(), list(azure.deployments())) == (BEFORE, ["blue", "teal"])
    assert azure.endpoint().tags == {"owner": "shop"}


def test_a_deployment_that_is_still_being_made_is_waited_for_and_deleted(azure, deadline, clock):
    marker = begun(azure, BEFORE, "blue", "teal")
    azure.seconds = 300
    azure.online_deployments.begin_create_or_update(deployment("green"))
    azure.seconds = 1
    clean_up(azure, "fashion", marker, deadline)
    assert list(azure.deployments()) == ["blue", "teal"]
    assert clock.now >= 300


def test_what_takes_too_long_is_an_error_in_words(azure, clock):
    marker = begun(azure, BEFORE, "blue", "teal", "green")
    azure.seconds = 300
    with pytest.raises(DeploymentError, match="deployment green of endpoint fashion: deleting: still InProgress"):
        clean_up(azure, "fashion", marker, Deadline(120, look_at="https://studio", started=clock.now))
    assert read_markers(azure.endpoint().tags) == [marker]


@pytest.mark.parametrize(
    ("run_id", "command"),
    [
        ("run-7", "kfp-azureml reconcile --run-id run-7 --resource-group rg --workspace ws"),
        ("", "kfp-azureml reconcile --endpoint-name fashion --resource-group rg --workspace ws"),
        ("a; b", "kfp-azureml reconcile --run-id 'a; b' --resource-group rg --workspace ws"),
    ],
)
def test_the_command_that_undoes_it_later(azure, run_id, command):
    assert clean_up_command(azure, run_id, "fashion") == command
