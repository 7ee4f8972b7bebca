"""The way to all the traffic, step by step, and the way back from any point of it."""

import logging

import pytest

from azure_errors import arm_error, response_error
from azure_workspace import deployment, endpoint
from kfp_azureml.azureml.rollout.endpoint import mark, mirror_traffic
from kfp_azureml.azureml.rollout.marker import DEPLOYMENT, Marker, read_markers
from kfp_azureml.azureml.rollout.probe import Probe
from kfp_azureml.azureml.rollout.rollout import Rollout
from kfp_azureml.azureml.rollout.soak import Monitor
from kfp_azureml.azureml.rollout.traffic_shift import shift_traffic, smoke_test
from kfp_azureml.runtime.errors import DeploymentError
from rollouts import PROBE, Answers, desired_state, make_limits, make_strategy

BEFORE = {"blue": 90, "teal": 10}
AS_IT_WAS = "the traffic is as before: blue 90 %, teal 10 %"


@pytest.fixture
def roll_out(azure, deadline):
    """Roll `green` out on an endpoint that `blue` and `teal` share; it is marked, and `green` is up."""

    def begin(strategy="canary", *, traffic=BEFORE, mirrored=None, before=BEFORE, probe=PROBE, metrics=None, **how):
        azure.add(endpoint(traffic, mirrored), *(deployment(name) for name in ("blue", "teal", "green", "pink")))
        marker = Marker("green", "run-7", before, (DEPLOYMENT,), 1_700_000_000)
        mark(azure, "fashion", marker, deadline)
        for seen in (azure.writes, azure.traffic_written, azure.mirror_written):
            seen.clear()
        rollout = Rollout(azure, desired_state(), make_strategy(strategy, **how), deadline)
        monitor = Monitor("green", rollout.strategy.limits, begin.answers, probe, metrics)
        return shift_traffic(rollout, marker, monitor)

    begin.answers = Answers(azure)
    return begin


def is_back(azure):
    """Say whether the endpoint is as before, but for the mark, by which the next attempt knows."""
    there = azure.endpoint()
    (marker,) = read_markers(there.tags)
    return azure.traffic() == marker.before and mirror_traffic(there) == {} and there.tags["owner"] == "shop"


STEPS = {
    "all-at-once": ([{"green": 100}], [("traffic", 100)]),
    "blue-green": ([{"green": 100}], [("traffic", 100), ("once", 100)]),
    "canary": (
        [{"blue": 81, "teal": 9, "green": 10}, {"blue": 45, "teal": 5, "green": 50}, {"green": 100}],
        [("aimed", 10), ("once", 10), ("aimed", 50), ("once", 50), ("traffic", 100), ("once", 100)],
    ),
    "mirror": ([BEFORE, BEFORE, {"green": 100}], [("once", 0), ("traffic", 100), ("once", 100)]),
}


@pytest.mark.parametrize("strategy", STEPS)
def test_each_strategy_has_its_steps_each_asked_and_watched(roll_out, azure, strategy):
    traffic, asked = STEPS[strategy]
    assert roll_out(strategy) == {"green": 100}
    assert azure.traffic_written == traffic
    assert roll_out.answers.shares == asked
    # Until all of it is over the mark stays, with the traffic to go back to.
    (marker,) = read_markers(azure.endpoint().tags)
    assert marker.before == BEFORE
    assert all(read_markers(write.resource.tags) == [marker] for write in azure.writes)


def test_mirrored_requests_come_first_and_end_before_any_live_one(roll_out, azure):
    roll_out("mirror", mirror_percent=20, traffic_steps=[50, 100])
    assert azure.mirror_written == [{"green": 20}, {}, {}, {}]
    assert azure.traffic_written == [BEFORE, BEFORE, {"blue": 45, "teal": 5, "green": 50}, {"green": 100}]
    assert {(asked.how, asked.mirrored) for asked in roll_out.answers.asked if not asked.share} == {("once", 20)}


def test_the_time_at_each_step_is_what_was_asked_for(roll_out, clock):
    began = clock.now
    roll_out("canary", traffic_steps=[1, 99, 100], soak_seconds=600)
    assert clock.now == pytest.approx(began + 3 * 600, abs=10)


def test_a_first_deployment_gets_everything_at_once_unwatched(roll_out, azure, clock):
    began = clock.now
    assert roll_out("mirror", traffic={}, before={}, traffic_steps=[10, 100]) == {"green": 100}
    assert azure.traffic_written == [{"green": 100}]
    assert roll_out.answers.shares == [("traffic", 100)]
    assert clock.now == began


def test_without_a_question_the_state_and_azure_monitor_have_to_do(roll_out, azure):
    class Metrics:
        lag_seconds, checked = 180.0, 0

        def check(self, _limits, _what):
            self.checked += 1

    metrics = Metrics()
    assert roll_out("blue-green", probe=None, metrics=metrics, soak_seconds=130) == {"green": 100}
    assert roll_out.answers.asked == []
    assert metrics.checked == 3


# Going on where an attempt was broken off.


@pytest.mark.parametrize(
    ("strategy", "at", "then"),
    [
        ("canary", {"blue": 81, "teal": 9, "green": 10}, [(45, 5, 50), (0, 0, 100)]),
        # Between two steps: somebody has changed traffic_steps since.
        ("canary", {"blue": 63, "teal": 7, "green": 30}, [(45, 5, 50), (0, 0, 100)]),
        ("canary", {"blue": 45, "teal": 5, "green": 50}, [(0, 0, 100)]),
        ("canary", {"green": 100}, []),
        ("blue-green", {"green": 100}, []),
        ("mirror", {"green": 100}, []),
    ],
)
def test_a_roll_out_goes_on_at_the_share_it_has(roll_out, azure, strategy, at, then):
    assert roll_out(strategy, traffic=at) == {"green": 100}
    written = [tuple(traffic.get(name, 0) for name in ("blue", "teal", "green")) for traffic in azure.traffic_written]
    assert written == then
    # The share it was broken off at is watched, as nobody knows for how long it was.
    assert roll_out.answers.asked[0].share >= at["green"]
    assert ("once", 100) in roll_out.answers.shares


def test_mirroring_that_was_broken_off_goes_on(roll_out, azure):
    assert roll_out("mirror", mirrored={"green": 10}) == {"green": 100}
    assert roll_out.answers.shares == [("once", 0), ("traffic", 100), ("once", 100)]
    assert azure.mirror_written[0] == {}


# The way back.


def breach(how, share):
    return lambda asked: "status 500: no" if (asked.how, asked.share) == (how, share) else None


@pytest.mark.parametrize(("strategy", "how", "share"), [(s, *at) for s, (_, asked) in STEPS.items() for at in asked])
def test_a_breach_at_any_point_puts_the_traffic_back_and_shows_the_containers_log(
    roll_out, azure, caplog, strategy, how, share
):
    azure.logs["green"] = "no module named torch"
    roll_out.answers.fault = breach(how, share)
    with pytest.raises(DeploymentError, match=f"status 500: no.*; {AS_IT_WAS}$"):
        roll_out(strategy)
    assert is_back(azure)
    assert "no module named torch" in caplog.text
    # Nothing more was moved on the way but what had been reached.
    assert max(traffic.get("green", 0) for traffic in azure.traffic_written) <= share


def test_latency_and_azure_monitor_are_limits_too(roll_out, azure, clock):
    def slow(asked):
        clock.now += 1.0 if asked.share == 50 else 0.0

    roll_out.answers.fault = slow
    with pytest.raises(DeploymentError, match=f"p95 latency 1000 ms in 7 requests .*; {AS_IT_WAS}"):
        roll_out("canary", limits=make_limits(max_latency_ms=500))
    assert is_back(azure)


def test_a_breach_after_a_resumed_share_puts_back_what_was_before_all_of_it(roll_out, azure):
    roll_out.answers.fault = breach("once", 50)
    with pytest.raises(DeploymentError, match=AS_IT_WAS):
        roll_out("canary", traffic={"blue": 45, "teal": 5, "green": 50})
    assert is_back(azure)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_move_that_azure_refuses_puts_back_what_was_moved(roll_out, azure, number):
    def refuse(write):
        if len(azure.writes) == number and write.resource.traffic.get("green"):
            raise response_error(400, arm_error("Odd", "no"))

    azure.before = refuse
    with pytest.raises(DeploymentError, match=f"Odd: no; {AS_IT_WAS}"):
        roll_out("canary")
    assert is_back(azure)


def test_a_move_that_takes_too_long_is_taken_back_in_a_time_of_its_own(roll_out, azure, clock):
    azure.seconds = 1.0

    def hang(write):
        azure.seconds = 9000.0 if write.resource.traffic.get("green") == 50 else 1.0

    azure.before = hang
    with pytest.raises(DeploymentError) as failed:
        roll_out("canary", soak_seconds=5)
    # As long as the move is under way Azure takes no other; the way back waits for it, and in the end gives up.
    assert "green 50 %: still InProgress after 60 min" in str(failed.value)
    assert "taking the traffic from green: still Updating after 10 min" in str(failed.value)
    assert "green may still receive traffic: set the traffic to blue 90 %, teal 10 %" in str(failed.value)


def test_a_move_that_is_late_is_taken_back_as_soon_as_it_is_over(roll_out, azure):
    azure.seconds = 1.0

    def hang(write):
        azure.seconds = 3800.0 if write.resource.traffic.get("green") == 50 else 1.0

    azure.before = hang
    with pytest.raises(DeploymentError, match=f"still InProgress .*; {AS_IT_WAS}"):
        roll_out("canary", soak_seconds=5)
    assert is_back(azure)


def test_a_way_back_that_fails_says_both_and_what_to_do(roll_out, azure):
    roll_out.answers.fault = breach("once", 10)

    def refuse(write):
        if azure.traffic().get("green") and "green" not in write.resource.traffic:
            raise response_error(403, arm_error("AuthorizationFailed", "no"))

    azure.before = refuse
    said = (
        r"status 500: no.*; rollback failed, green may still receive traffic: "
        r"set the traffic to blue 90 %, teal 10 % \(.*AuthorizationFailed"
    )
    with pytest.raises(DeploymentError, match=said):
        roll_out("canary")
    assert azure.traffic() == {"blue": 81, "teal": 9, "green": 10}


def test_what_nobody_foresaw_puts_the_traffic_back_too(roll_out, azure, caplog):
    """The SDK fails with an AttributeError where an answer lacks a field."""
    caplog.set_level(logging.ERROR)

    def crash(asked):
        if asked.share == 10:
            raise AttributeError("'NoneType' object has no attribute 'properties'")

    roll_out.answers.fault = crash
    with pytest.raises(AttributeError, match="'NoneType' object"):
        roll_out("canary")
    assert is_back(azure)
    assert AS_IT_WAS in caplog.text


# Somebody else moves the traffic meanwhile.


def test_what_somebody_else_has_moved_before_our_first_step_stays(roll_out, azure):
    """Another roll-out has ended since the mark was written: what was live then is history."""
    with pytest.raises(DeploymentError) as failed:
        roll_out("canary", traffic={"pink": 100})
    assert "another client is moving its traffic, which is pink 100 % instead of blue 90 %, teal 10 %" in str(
        failed.value
    )
    assert str(failed.value).endswith("the traffic is pink 100 %: another client has moved it")
    assert azure.writes == []


@pytest.mark.parametrize(
    ("theirs", "left", "said"),
    [
        ({"pink": 100}, {"pink": 100}, "the traffic is pink 100 %: another client has moved it"),
        (
            {"blue": 40, "pink": 50, "green": 10},
            {"blue": 44, "pink": 56},
            "the traffic is blue 44 %, pink 56 %: another",
        ),
        (BEFORE, BEFORE, AS_IT_WAS),
    ],
)
def test_a_roll_out_ends_when_somebody_else_moves_the_traffic_and_they_keep_it(roll_out, azure, theirs, left, said):
    def interfere(asked):
        if (asked.how, asked.share) == ("once", 10):
            azure.endpoint().traffic = dict(theirs)

    roll_out.answers.fault = interfere
    with pytest.raises(DeploymentError, match=f"another client is moving its traffic.*; {said}"):
        roll_out("canary")
    assert azure.traffic() == left


def test_what_is_not_traffic_may_be_changed_by_anybody_meanwhile(roll_out, azure):
    def interfere(asked):
        if (asked.how, asked.share) == ("aimed", 10):
            azure.endpoint().tags["theirs"] = "new"
            azure.endpoint().description = "theirs"

    roll_out.answers.fault = interfere
    assert roll_out("canary") == {"green": 100}
    assert azure.endpoint().tags["theirs"] == "new"
    assert azure.endpoint().description == "theirs"


# Before any of it.


@pytest.fixture
def green_is_tested(azure, deadline):
    def begin(answers, probe=PROBE, **limits):
        rollout = Rollout(azure, desired_state(), make_strategy(), deadline)
        smoke_test(rollout, Monitor("green", make_limits(**limits), answers, probe))

    return begin


def test_a_deployment_is_asked_before_it_gets_any_traffic(green_is_tested, azure, clock):
    azure.add(endpoint(BEFORE), deployment("green"))
    answers = Answers(azure)
    green_is_tested(answers, max_latency_ms=10)
    assert answers.shares == [("aimed", 0), ("once", 0)]
    assert azure.writes == []


@pytest.mark.parametrize("how", ["aimed", "once"])
def test_one_that_answers_wrongly_shows_its_containers_log(green_is_tested, azure, caplog, how):
    azure.add(endpoint(BEFORE), deployment("green"))
    azure.logs["green"] = "no module named torch"
    answers = Answers(azure, breach(how, 0))
    with pytest.raises(DeploymentError, match="status 500: no"):
        green_is_tested(answers, max_latency_ms=10)
    assert "no module named torch" in caplog.text


def test_without_a_question_that_is_said(green_is_tested, azure, caplog):
    caplog.set_level(logging.INFO)
    green_is_tested(Answers(azure), None)
    assert caplog.messages == [
        "deployment green: goes live without a smoke test, since there is no sample and no request"
    ]


def test_a_question_of_one_piece_will_do(green_is_tested, azure):
    azure.add(endpoint(BEFORE), deployment("green"))
    answers = Answers(azure)
    green_is_tested(answers, Probe(b"{}"), max_latency_ms=10)
    assert answers.shares == [("aimed", 0), ("once", 0)]
