"""A whole roll-out: marked before anything else, unmarked at the very end, and whatever comes between."""

import logging
from datetime import datetime

import pytest

from azure_errors import arm_error, response_error
from azure_manager import manage
from azure_workspace import PREFIX, deployment, endpoint
from kfp_azureml.azureml.rollout import azure_monitor as metrics_module
from kfp_azureml.azureml.rollout import go_live as live_module
from kfp_azureml.azureml.rollout import marker as marker_module
from kfp_azureml.azureml.rollout.endpoint import mirror_traffic
from kfp_azureml.azureml.rollout.go_live import go_live
from kfp_azureml.azureml.rollout.marker import DEPLOYMENT, ENDPOINT, Marker, read_markers
from kfp_azureml.azureml.rollout.rollout import Rollout
from kfp_azureml.azureml.rollout.scaling import Scaling
from kfp_azureml.azureml.rollout.server_settings import RequestSettings, ServerSettings
from kfp_azureml.azureml.waiting import Deadline
from kfp_azureml.runtime.errors import CancelledError, DeploymentError
from rollouts import PROBE, Answers, desired_state, make_machines, make_strategy

UNDO = "kfp-azureml reconcile --run-id run-7 --resource-group rg --workspace ws"
SETTINGS = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Insights/autoscalesettings"


@pytest.fixture
def manager(monkeypatch):
    return manage(monkeypatch)


@pytest.fixture
def answers(azure, monkeypatch):
    answers = Answers(azure)
    monkeypatch.setattr(live_module, "ScoringClient", lambda *_: answers)
    return answers


@pytest.fixture
def roll_out(azure, answers, manager, clock, monkeypatch):
    monkeypatch.setattr(marker_module, "time", clock)
    clock.now = 1_800_000_000.0

    def begin(strategy="blue-green", *, wanted=None, **how):
        until = Deadline(3600, look_at="https://studio", started=clock.now)
        rollout = Rollout(azure, wanted or desired_state(), make_strategy(strategy, **how), until)
        return go_live(rollout, PROBE)

    return begin


def shop(azure, traffic=None, *names, mirrored=None, **tags):
    traffic = {"blue": 100} if traffic is None else traffic
    azure.add(endpoint(traffic, mirrored, **tags), *(deployment(name) for name in names or ("blue",)))


def marked(azure, **changes):
    """Mark the endpoint as an earlier attempt did."""
    settings = {"deployment": "green", "run_id": "run-6", "before": {"blue": 100}, "made": (DEPLOYMENT,), "since": 5}
    marker = Marker(**settings | changes)
    azure.endpoint().tags[marker.tag] = marker.value
    return marker


def marks(azure):
    return read_markers(azure.endpoint().tags)


def marks_written(azure):
    """Return which marks each write to the endpoint left on it."""
    return [
        [marker.deployment for marker in read_markers(write.resource.tags)]
        for write in azure.writes
        if write.kind == "endpoint" and write.verb == "PUT"
    ]


# The way to a live deployment.


def test_from_nothing_the_endpoint_is_marked_from_its_first_moment_to_the_very_end(azure, roll_out):
    live = roll_out()
    assert azure.done == [
        "PUT endpoint fashion",
        "PUT deployment green",
        "PUT endpoint fashion",
        "PUT endpoint fashion",
    ]
    assert marks_written(azure) == [["green"], ["green"], []]
    assert azure.traffic_written == [{}, {"green": 100}, {"green": 100}]
    (marker,) = read_markers(azure.writes[0].resource.tags)
    assert marker == Marker("green", "run-7", {}, (ENDPOINT, DEPLOYMENT), 1_800_000_000)
    assert live.traffic == {"green": 100}
    assert (live.endpoint_id, live.deployment_id) == (f"{PREFIX}/fashion", f"{PREFIX}/fashion/deployments/green")


def test_beside_a_live_one_the_mark_comes_before_the_deployment(azure, roll_out):
    shop(azure)
    assert roll_out("canary").traffic == {"green": 100}
    assert azure.done == [
        "PUT endpoint fashion",
        "PUT deployment green",
        *["PUT endpoint fashion"] * 3,
        "PUT endpoint fashion",
    ]
    assert marks_written(azure) == [["green"]] * 4 + [[]]
    (marker,) = read_markers(azure.writes[0].resource.tags)
    assert marker == Marker("green", "run-7", {"blue": 100}, (DEPLOYMENT,), 1_800_000_000)
    assert azure.endpoint().tags == {"owner": "shop"}
    assert list(azure.deployments()) == ["blue", "green"]


def test_a_deployment_that_was_there_is_not_of_this_roll_outs_making(azure, roll_out):
    shop(azure, None, "blue", "green")
    roll_out()
    assert "PUT deployment green" not in azure.done
    (marker,) = read_markers(azure.writes[0].resource.tags)
    assert marker.made == ()


def test_what_is_live_already_is_asked_and_nothing_is_written(azure, roll_out, answers, manager):
    shop(azure, {"green": 100}, "green", "blue")
    assert roll_out("canary", keep_previous=False).traffic == {"green": 100}
    assert azure.writes == []
    assert manager.asked == []
    assert answers.shares == [("aimed", 100)]


def test_what_is_live_already_and_answers_wrongly_is_an_error_and_nothing_is_written(azure, roll_out, answers):
    shop(azure, {"green": 100}, "green")
    answers.fault = lambda _asked: "status 500: no"
    with pytest.raises(DeploymentError, match=r"status 500: no$"):
        roll_out()
    assert azure.writes == []


@pytest.mark.parametrize(("asked_for", "made"), [(0, 7), (2, 2)])
def test_a_new_deployment_begins_with_the_machines_of_the_live_one(azure, roll_out, asked_for, made):
    shop(azure, {"blue": 70, "teal": 30}, "teal")
    azure.add_deployment("fashion", deployment("blue", instance_count=7))
    roll_out(wanted=desired_state(machines=make_machines(instance_count=asked_for)))
    assert azure.deployments()["green"].instance_count == made


def test_autoscale_settings_are_copied_before_there_is_traffic(azure, roll_out, manager):
    shop(azure)
    of_blue = {
        "location": "region",
        "properties": {"targetResourceUri": f"{PREFIX}/fashion/deployments/blue", "profiles": []},
    }
    manager.settings = {f"{SETTINGS}/of-blue": {"id": f"{SETTINGS}/of-blue", **of_blue}}
    shares = []
    azure.before = lambda _write: shares.append((azure.traffic().get("green"), list(manager.settings)))
    roll_out()
    copied = f"{SETTINGS}/autoscale-fashion-green"
    assert manager.settings[copied]["properties"]["targetResourceUri"] == f"{PREFIX}/fashion/deployments/green"
    assert (None, [f"{SETTINGS}/of-blue", copied]) in shares


def test_on_kubernetes_neither_autoscale_nor_azure_monitor_is_asked(azure, roll_out, manager):
    roll_out("canary", wanted=desired_state(machines=make_machines(compute="k8s")))
    assert manager.asked == []


def test_azure_monitor_is_asked_while_a_managed_deployment_is_watched(azure, roll_out, manager, clock, monkeypatch):
    class Now(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.fromtimestamp(clock.now, tz)

    monkeypatch.setattr(metrics_module, "datetime", Now)
    shop(azure)
    manager.requests = {"200": 90, "500": 10}
    with pytest.raises(
        DeploymentError, match=r"10 of 100 requests failed according to Azure Monitor .*; the traffic is as before"
    ):
        roll_out(soak_seconds=130)
    assert manager.asked[-1].path == f"{PREFIX}/fashion/providers/Microsoft.Insights/metrics"
    assert "deployment eq 'green'" in manager.asked[-1].query["$filter"][0]


def test_the_previous_deployments_stay_by_default(azure, roll_out):
    shop(azure, {"blue": 90, "teal": 10}, "blue", "teal", "idle")
    roll_out()
    assert list(azure.deployments()) == ["blue", "teal", "idle", "green"]


def test_the_previous_deployments_are_deleted_if_asked_with_their_autoscale_settings_and_nobody_else(
    azure, roll_out, manager
):
    shop(azure, {"blue": 90, "teal": 10}, "blue", "teal", "idle")
    for name in ("blue", "idle"):
        target = {"targetResourceUri": f"{PREFIX}/fashion/deployments/{name}"}
        manager.settings[f"{SETTINGS}/{name}"] = {"id": f"{SETTINGS}/{name}", "location": "r", "properties": target}
    roll_out(keep_previous=False)
    assert list(azure.deployments()) == ["idle", "green"]
    assert f"{SETTINGS}/blue" not in manager.settings
    assert f"{SETTINGS}/idle" in manager.settings
    # Deleted while the mark is still there, so that a dead run's work is finished by the next attempt.
    assert azure.done[-3:] == ["DELETE deployment blue", "DELETE deployment teal", "PUT endpoint fashion"]


def test_the_deployment_itself_is_not_its_own_predecessor(azure, roll_out):
    shop(azure, {"blue": 50, "green": 50}, "blue", "green")
    roll_out(keep_previous=False)
    assert list(azure.deployments()) == ["green"]


# Others on the endpoint.


@pytest.mark.parametrize(("traffic", "mirrored"), [({"blue": 90, "teal": 10}, {}), ({"blue": 100}, {"teal": 10})])
@pytest.mark.parametrize("run_id", ["run-9", ""])
def test_in_the_middle_of_another_roll_out_none_begins(azure, roll_out, traffic, mirrored, run_id):
    shop(azure, traffic, "blue", "teal", mirrored=mirrored)
    marked(azure, deployment="teal", run_id=run_id)
    with pytest.raises(DeploymentError) as refused:
        roll_out()
    whose = "--run-id run-9" if run_id else "--endpoint-name fashion"
    assert f"another rollout is in progress (teal, run {run_id or 'unknown'};" in str(refused.value)
    assert f"kfp-azureml reconcile {whose} --resource-group rg --workspace ws" in str(refused.value)
    assert azure.writes == []


def test_a_mark_of_another_one_that_moved_nothing_is_no_obstacle_and_stays(azure, roll_out):
    shop(azure, None, "blue", "teal")
    other = marked(azure, deployment="teal", run_id="run-9")
    roll_out()
    assert marks(azure) == [other]
    assert azure.traffic() == {"green": 100}


def test_mirrored_traffic_of_another_one_is_an_obstacle_to_mirroring_only(azure, roll_out):
    shop(azure, None, "blue", "pink", mirrored={"pink": 10})
    with pytest.raises(DeploymentError, match="mirrored to pink"):
        roll_out("mirror")
    assert azure.writes == []
    roll_out("canary")
    assert mirror_traffic(azure.endpoint()) == {"pink": 10}


def test_another_roll_out_that_ends_while_ours_makes_its_deployment_is_not_undone(azure, roll_out):
    """Both were marked with `blue` live; then `teal` became live. Ours must not give the traffic back to `blue`."""
    shop(azure, None, "blue", "teal")

    def other(write):
        if str(write) == "PUT deployment green":
            azure.endpoint().traffic = {"teal": 100}

    azure.after = other
    with pytest.raises(
        DeploymentError, match="another client is moving its traffic, which is teal 100 % instead of blue"
    ):
        roll_out("canary")
    assert azure.traffic() == {"teal": 100}
    # The next attempt begins with what is live by then.
    azure.after = lambda _write: None
    roll_out("canary")
    assert {"teal": 90, "green": 10} in azure.traffic_written
    assert all("blue" not in traffic for traffic in azure.traffic_written[2:])


# An attempt that was broken off, and the next one.


def test_an_attempt_that_moved_nothing_is_begun_again_with_what_is_live_now(azure, roll_out, clock):
    shop(azure, {"teal": 100}, "blue", "teal", "green")
    marked(azure, before={"blue": 100}, made=(ENDPOINT, DEPLOYMENT))
    roll_out("canary")
    (marker,) = read_markers(azure.writes[0].resource.tags)
    # It is this run's now, and as old as this attempt: nobody may take it for dead.
    assert marker == Marker("green", "run-7", {"teal": 100}, (ENDPOINT, DEPLOYMENT), 1_800_000_000)
    assert azure.traffic_written[1] == {"teal": 90, "green": 10}


def test_an_attempt_that_was_broken_off_under_way_goes_on_there(azure, roll_out, caplog):
    caplog.set_level(logging.INFO)
    shop(azure, {"blue": 50, "green": 50}, "blue", "green")
    marked(azure)
    roll_out("canary")
    assert azure.traffic_written == [{"blue": 50, "green": 50}, {"green": 100}, {"green": 100}]
    (marker,) = read_markers(azure.writes[0].resource.tags)
    assert marker == Marker("green", "run-7", {"blue": 100}, (DEPLOYMENT,), 1_800_000_000)
    assert "continuing an interrupted rollout at blue 50 %, green 50 %" in caplog.text


def test_what_somebody_moved_since_an_attempt_was_broken_off_is_theirs(azure, roll_out):
    shop(azure, {"blue": 30, "teal": 60, "green": 10}, "blue", "teal", "green")
    marked(azure)
    roll_out("canary")
    assert azure.traffic_written[1] == {"blue": 17, "teal": 33, "green": 50}


@pytest.mark.parametrize("previous", [["blue"], []])
def test_an_attempt_that_died_while_it_tidied_up_is_finished(azure, roll_out, previous):
    shop(azure, {"green": 100}, "green", *previous)
    marked(azure)
    roll_out(keep_previous=False)
    assert list(azure.deployments()) == ["green"]
    assert marks(azure) == []
    assert azure.traffic() == {"green": 100}


@pytest.mark.parametrize("at", [10, 100])
def test_what_was_broken_off_and_answers_wrongly_now_gives_its_traffic_back(azure, roll_out, answers, at):
    shop(azure, {name: share for name, share in {"blue": 100 - at, "green": at}.items() if share}, "blue", "green")
    marked(azure)
    answers.fault = lambda asked: "status 500: no" if asked.how == "aimed" else None
    with pytest.raises(
        DeploymentError, match="status 500: no; the traffic is as before: blue 100 %; run the step again"
    ):
        roll_out("canary")
    assert azure.traffic() == {"blue": 100}


def test_what_was_broken_off_and_cannot_be_mended_gives_its_traffic_back(azure, roll_out):
    shop(azure, {"blue": 90, "green": 10}, "blue")
    azure.add_deployment("fashion", deployment("green"), "Failed")
    marked(azure)
    azure.failing["PUT deployment green"] = response_error(200, arm_error("ResourceNotReady"))
    with pytest.raises(DeploymentError, match=r"did not become ready.*; the traffic is as before: blue 100 %"):
        roll_out("canary")
    assert azure.traffic() == {"blue": 100}


# Failures.


def test_a_failure_keeps_the_mark_and_says_how_to_remove_what_was_made(azure, roll_out, answers):
    shop(azure)
    answers.fault = lambda _asked: "status 500: no"
    with pytest.raises(DeploymentError) as failed:
        roll_out()
    assert str(failed.value) == (
        f"deployment green: status 500: no; run the step again to resume, or clean up with: {UNDO}"
    )
    assert [marker.deployment for marker in marks(azure)] == ["green"]
    assert azure.traffic() == {"blue": 100}
    assert "green" in azure.deployments()


def test_the_next_attempt_after_a_failure_finds_what_was_made(azure, roll_out, answers):
    shop(azure)
    answers.fault = lambda _asked: "status 500: no"
    with pytest.raises(DeploymentError):
        roll_out()
    answers.fault = lambda _asked: None
    roll_out()
    assert azure.done.count("PUT deployment green") == 1
    assert (azure.traffic(), marks(azure)) == ({"green": 100}, [])


def meanwhile(monkeypatch, name, happen):
    """Have something happen, once, right before the roll-out calls a function."""
    original = getattr(live_module, name)

    def after_it(*arguments, **options):
        monkeypatch.setattr(live_module, name, original)
        happen()
        return original(*arguments, **options)

    monkeypatch.setattr(live_module, name, after_it)


@pytest.mark.parametrize("moment", ["live_deployment", "ensure_deployment", "scoring_key", "shift_traffic", "unmark"])
def test_an_endpoint_that_somebody_deletes_midway_is_said_as_that(azure, roll_out, monkeypatch, moment):
    shop(azure)
    meanwhile(monkeypatch, moment, lambda: azure.forget_endpoint("fashion"))
    with pytest.raises(DeploymentError) as failed:
        roll_out("canary")
    assert str(failed.value) == (
        "endpoint fashion was deleted during the rollout of green: run the step again to create it"
    )
    assert not azure.has_endpoint()


def test_an_endpoint_deleted_while_it_is_watched_is_said_as_that(azure, roll_out, answers):
    shop(azure)

    def gone(asked):
        if azure.has_endpoint() and asked.how == "once":
            azure.forget_endpoint("fashion")
        return None if asked.how == "aimed" else "status 404: not found"

    answers.fault = gone
    with pytest.raises(DeploymentError, match=r"^endpoint fashion was deleted during the rollout of green"):
        roll_out("canary")


def test_a_deployment_that_somebody_deletes_midway_is_said_as_that(azure, roll_out, monkeypatch):
    shop(azure)
    meanwhile(monkeypatch, "shift_traffic", lambda: azure.forget_deployment("fashion", "green"))
    with pytest.raises(
        DeploymentError, match=r"^deployment green of endpoint fashion was deleted during the rollout of"
    ):
        roll_out()
    assert azure.traffic() == {"blue": 100}


def test_a_previous_deployment_that_somebody_gives_traffic_again_stays(azure, roll_out, monkeypatch, caplog):
    shop(azure)

    def give_back():
        azure.endpoint().traffic = {"blue": 50, "green": 50}

    meanwhile(monkeypatch, "delete_deployment", give_back)
    roll_out(keep_previous=False)
    assert "blue" in azure.deployments()
    assert "deployment blue of endpoint fashion: deleting: it still receives traffic" in caplog.text


def test_what_does_not_show_at_once_is_brought_live_all_the_same(azure, roll_out):
    azure.hidden_reads = 3
    roll_out("canary")
    assert (azure.traffic(), marks(azure)) == ({"green": 100}, [])
    assert azure.done.count("PUT deployment green") == 1


@pytest.mark.parametrize("begins_with", ["endpoint", "deployment"])
def test_a_first_provisioning_that_failed_is_made_good_by_the_next_attempt(azure, roll_out, begins_with):
    name = {"endpoint": "fashion", "deployment": "green"}[begins_with]
    azure.failing[f"PUT {begins_with} {name}"] = response_error(200, {"code": None, "message": "ResourceNotReady: no"})
    with pytest.raises(DeploymentError, match="did not become ready"):
        roll_out()
    azure.failing.clear()
    roll_out()
    assert f"DELETE {begins_with} {name}" in azure.done
    assert (azure.traffic(), marks(azure)) == ({"green": 100}, [])


def test_a_failure_before_anything_is_marked_says_nothing_of_removing(azure, roll_out):
    shop(azure)

    def refuse(_write):
        raise response_error(400, arm_error("Odd", "no"))

    azure.before = refuse
    with pytest.raises(DeploymentError, match=r"marking the rollout of green: Odd: no$"):
        roll_out()


def test_outside_of_a_pipeline_the_command_names_the_endpoint(azure, roll_out, answers):
    answers.fault = lambda _asked: "status 500: no"
    with pytest.raises(DeploymentError, match="kfp-azureml reconcile --endpoint-name fashion --resource-group rg"):
        roll_out(wanted=desired_state(run_id=""))


# Cancelling.


class Stop:
    """Stops the step at its n-th write, before or after it has its effect."""

    def __init__(self, azure, number, moment):
        self.azure, self.left = azure, number
        setattr(azure, moment, self)

    def __call__(self, _write):
        self.left -= 1
        if self.left == 0:
            raise CancelledError("cancelled by SIGTERM")


CANARY_WRITES = 7  # mark, deployment, three steps, the deletion of the previous one, unmark


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("number", range(1, CANARY_WRITES))
def test_a_cancelled_roll_out_is_undone_from_wherever_it_was(azure, roll_out, number, moment):
    shop(azure)
    Stop(azure, number, moment)
    with pytest.raises(CancelledError, match=r"^cancelled by SIGTERM; ") as cancelled:
        roll_out("canary", keep_previous=False)
    if (number, moment) == (6, "after"):
        # Nothing is there to take the traffic back.
        assert (azure.traffic(), list(azure.deployments())) == ({"green": 100}, ["green"])
        assert "stays live, blue was deleted" in str(cancelled.value)
    else:
        assert (azure.traffic(), list(azure.deployments())) == ({"blue": 100}, ["blue"])
    assert marks(azure) == []
    assert azure.endpoint().tags == {"owner": "shop"}


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_cancelled_first_roll_out_leaves_nothing_at_all(azure, roll_out, number, moment):
    Stop(azure, number, moment)
    with pytest.raises(CancelledError, match="cancelled by SIGTERM; "):
        roll_out()
    assert not azure.has_endpoint()
    assert azure.deployments() == {}


def test_cancelled_while_it_is_watched(azure, roll_out, answers):
    shop(azure)

    def stop(asked):
        if (asked.how, asked.share) == ("once", 50):
            raise CancelledError("cancelled by SIGTERM")

    answers.fault = stop
    with pytest.raises(CancelledError) as cancelled:
        roll_out("canary")
    assert str(cancelled.value) == (
        "cancelled by SIGTERM; endpoint fashion: traffic rolled back: blue 100 %; "
        "deployment green of endpoint fashion: deleted"
    )
    assert (azure.traffic(), list(azure.deployments()), marks(azure)) == ({"blue": 100}, ["blue"], [])


def test_ctrl_c_undoes_it_too(azure, roll_out, answers):
    shop(azure)

    def stop(_asked):
        raise KeyboardInterrupt

    answers.fault = stop
    with pytest.raises(KeyboardInterrupt, match="deleted"):
        roll_out()
    assert list(azure.deployments()) == ["blue"]


def test_before_it_undoes_anything_it_says_how_to_do_that_later(azure, roll_out, answers, caplog):
    """A pod may have no time to undo anything."""
    shop(azure)

    def stop(_asked):
        azure.before = lambda _write: seen.append(caplog.text)
        raise CancelledError("cancelled by SIGTERM")

    seen = []
    answers.fault = stop
    with pytest.raises(CancelledError):
        roll_out()
    assert seen[0].rstrip().endswith(f"cleaning up the rollout; if that is interrupted: {UNDO}")


@pytest.mark.parametrize("write", ["DELETE deployment green", "PUT endpoint fashion"])
def test_what_cannot_be_undone_is_listed_with_the_command(azure, roll_out, answers, write):
    shop(azure)

    def refuse(one):
        if str(one) == write:
            raise response_error(403, arm_error("AuthorizationFailed", "no"))

    def stop(asked):
        if asked.how == "once":
            azure.before = refuse
            raise CancelledError("cancelled by SIGTERM")

    answers.fault = stop
    with pytest.raises(CancelledError) as cancelled:
        roll_out()
    assert "cleanup failed" in str(cancelled.value)
    assert str(cancelled.value).endswith(f"clean up with: {UNDO}")
    assert [marker.run_id for marker in marks(azure)] == ["run-7"]


def test_what_takes_too_long_to_undo_is_listed_with_the_command(azure, roll_out, answers):
    shop(azure)

    def stop(asked):
        azure.seconds = 9000.0
        raise CancelledError("cancelled by SIGTERM")

    answers.fault = stop
    with pytest.raises(
        CancelledError, match=r"still InProgress after 2 min 1 s .*clean up with: kfp-azureml reconcile"
    ):
        roll_out()


def test_without_an_answer_nobody_says_that_there_was_nothing_to_undo(azure, roll_out, answers, monkeypatch):
    shop(azure)

    def stop(_asked):
        def refuse(_name):
            raise response_error(403, arm_error("AuthorizationFailed", "no"))

        monkeypatch.setattr(azure.online_endpoints, "get", refuse)
        raise CancelledError("cancelled by SIGTERM")

    answers.fault = stop
    with pytest.raises(CancelledError) as cancelled:
        roll_out()
    assert "nothing to clean up" not in str(cancelled.value)
    assert str(cancelled.value).endswith(f"clean up with: {UNDO}")


def test_cancelled_before_anything_was_begun_there_is_nothing_to_undo(azure, roll_out, monkeypatch):
    shop(azure)
    there = azure.online_endpoints.get

    def stop(name):
        monkeypatch.setattr(azure.online_endpoints, "get", there)
        raise CancelledError("cancelled by SIGTERM")

    monkeypatch.setattr(azure.online_endpoints, "get", stop)
    with pytest.raises(CancelledError, match="cancelled by SIGTERM; nothing to clean up"):
        roll_out()
    assert azure.writes == []


def test_what_is_live_already_is_not_undone_by_cancelling(azure, roll_out, answers):
    shop(azure, {"green": 100}, "green")

    def stop(_asked):
        raise CancelledError("cancelled by SIGTERM")

    answers.fault = stop
    with pytest.raises(CancelledError, match="nothing to clean up"):
        roll_out()
    assert azure.writes == []


# Scaling.


def test_scaling_is_set_before_there_is_traffic_and_nothing_is_copied(azure, roll_out, manager):
    shop(azure)
    seen = []
    azure.before = lambda write: seen.append((str(write), list(manager.writes)))
    roll_out(wanted=desired_state(machines=make_machines(scaling=Scaling(4, 2))))
    assert manager.writes == ["PUT autoscale-fashion-green"]
    assert azure.deployments()["green"].instance_count == 2
    assert [writes for write, writes in seen if write.startswith("PUT endpoint")][1] == manager.writes


def test_a_live_deployment_gets_another_scaling(azure, roll_out, manager):
    shop(azure, {"green": 100}, "green")
    roll_out(wanted=desired_state(machines=make_machines(scaling=Scaling(4))))
    assert azure.writes == []
    assert manager.writes == ["PUT autoscale-fashion-green"]


def test_a_request_may_take_longer_than_a_probe_waits_otherwise(azure, answers, manager, clock, monkeypatch):
    asked = []
    monkeypatch.setattr(live_module, "ScoringClient", lambda *given: asked.append(given[3]) or answers)
    for seconds in (20, 170):
        wanted = desired_state(server=ServerSettings(RequestSettings(seconds)))
        go_live(Rollout(azure, wanted, make_strategy("all-at-once"), Deadline(3600, look_at="")), PROBE)
    assert asked == [60, 170]
