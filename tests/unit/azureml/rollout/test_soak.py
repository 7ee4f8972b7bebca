"""Watching, in a time that passes only when a request or a pause takes some."""

import logging

import pytest

from clock import Clock
from kfp_azureml.azureml.rollout import soak as watch_module
from kfp_azureml.azureml.rollout.probe import Probe
from kfp_azureml.azureml.rollout.soak import MIN_REQUESTS_FOR_LATENCY, PAUSE_SECONDS, Monitor
from kfp_azureml.runtime import step
from kfp_azureml.runtime.errors import DeploymentError
from rollouts import make_limits

PROBE = Probe(b"all", parts=(Probe(b"one"), Probe(b"two"), Probe(b"three")))
STAGE = "10 % of the traffic"


@pytest.fixture
def clock(monkeypatch):
    return Clock().pass_in(monkeypatch, watch_module, step)


class Container:
    """Answers after so many milliseconds, with so much wrong; by the number of the request, from 1 on."""

    timeout_seconds = 60.0

    def __init__(self, clock, milliseconds=10.0, fault=None):
        self._clock = clock
        self._milliseconds = milliseconds if callable(milliseconds) else lambda _number: milliseconds
        self._fault = fault or (lambda _number: None)
        self.asked = []

    def send_once(self, _client, probe, deployment):
        assert deployment == "green"
        self.asked.append(probe)
        self._clock.now += self._milliseconds(len(self.asked)) / 1000
        return self._fault(len(self.asked))


class Metrics:
    """Azure Monitor; says from its n-th answer on that a limit is exceeded."""

    lag_seconds = 180.0

    def __init__(self, clock, breach=0):
        self._clock, self._breach, self.asked = clock, breach, []

    def check(self, _limits, what):
        self.asked.append(self._clock.now)
        if len(self.asked) == self._breach:
            raise DeploymentError(f"{what}: by Azure Monitor too many requests failed")


def every_nth(number):
    return lambda request: "status 500: no" if request % number == 0 else None


def watched(container, seconds=60.0, limits=None, metrics=None, probe=PROBE):
    Monitor("green", limits or make_limits(), container, probe, metrics).soak(seconds, STAGE)


def test_a_sound_deployment_is_asked_in_small_over_and_over(clock, caplog):
    caplog.set_level(logging.INFO)
    container = Container(clock, 100)
    watched(container, seconds=60)
    assert len(container.asked) == 100
    assert container.asked[:4] == [*PROBE.parts, PROBE.parts[0]]
    assert clock.now == pytest.approx(60)
    assert caplog.messages == [
        f"deployment green, {STAGE}: monitoring for 60 s, with probes of this step",
        f"deployment green, {STAGE}: 51 probes, 0 failed, p95 latency 100 ms",
        f"deployment green, {STAGE}: 100 probes, 0 failed, p95 latency 100 ms",
    ]


def test_a_request_that_cannot_be_divided_is_asked_whole(clock):
    container = Container(clock)
    watched(container, seconds=2, probe=Probe(b"whole"))
    assert {probe.body for probe in container.asked} == {b"whole"}


@pytest.mark.parametrize("seconds", [0, -1])
def test_no_time_is_no_watching(clock, seconds):
    container, metrics = Container(clock, fault=every_nth(1)), Metrics(clock, breach=1)
    watched(container, seconds=seconds, metrics=metrics)
    assert not container.asked
    assert not metrics.asked


@pytest.mark.parametrize(
    ("rate", "fails", "milliseconds", "breach"),
    [
        # 120 requests at most in a minute: one may fail, the second is one too many.
        (0.01, {40}, 0, False),
        (0.01, {1}, 0, False),
        (0.01, {40, 41}, 0, True),
        (0.0, {119}, 0, True),
        (0.5, set(range(1, 61)), 0, False),
        (0.5, set(range(1, 62)), 0, True),
        (1.0, set(range(1, 200)), 0, False),
        # A slow deployment is asked less often: 12 times, of which 5 failed.
        (0.05, {2, 4, 6, 8, 10}, 4500, True),
        # It answers nothing at all, each time after a minute.
        (0.01, {1}, 60_000, True),
        (0.5, {1}, 60_000, True),
        (1.0, {1}, 60_000, False),
    ],
)
def test_so_many_may_fail_as_the_limit_says_of_those_that_were_asked(clock, rate, fails, milliseconds, breach):
    container = Container(clock, milliseconds, lambda number: "status 500: no" if number in fails else None)
    limits = make_limits(max_error_rate=rate)
    if not breach:
        watched(container, limits=limits)
        return
    with pytest.raises(DeploymentError, match=r"requests failed, the last one: status 500: no \(max_error_rate="):
        watched(container, limits=limits)


def test_it_is_given_up_as_soon_as_the_limit_cannot_be_kept_any_more(clock, caplog):
    caplog.set_level(logging.INFO)
    container = Container(clock, 0, every_nth(1))
    with pytest.raises(DeploymentError) as given_up:
        watched(container, seconds=3600, limits=make_limits(max_error_rate=0.001))
    assert str(given_up.value) == (
        f"deployment green, {STAGE}: 8 of 8 requests failed, the last one: status 500: no (max_error_rate=0.001)"
    )
    assert clock.now < 10
    # Each failure is shown as it comes.
    assert caplog.messages.count(f"deployment green, {STAGE}: status 500: no") == 8


@pytest.mark.parametrize(
    ("slow", "milliseconds", "breach"),
    [
        (set(), 0, False),
        ({5}, 500, False),
        # Six of 120 in a minute may be slow, whenever they are; fewer than 120 are asked if they are.
        ({1, 2, 3, 4, 5}, 500, False),
        ({1, 2, 3, 4, 5, 6}, 500, True),
        ({1, 30, 31, 50, 51}, 500, False),
        (set(range(40, 60)), 500, True),
        (set(range(1, 200)), 201, True),
        (set(range(1, 200)), 200, False),
    ],
)
def test_95_of_100_requests_have_to_be_quick_enough(clock, slow, milliseconds, breach):
    limits = make_limits(max_latency_ms=200.5)
    container = Container(clock, lambda number: milliseconds if number in slow else 10)
    if not breach:
        watched(container, limits=limits)
        return
    with pytest.raises(DeploymentError, match=r"p95 latency \d+ ms in \d+ requests \(max_latency_ms=200.5\)"):
        watched(container, limits=limits)


def test_a_slow_deployment_is_given_up_early(clock):
    with pytest.raises(DeploymentError, match="p95 latency 500 ms in 7 requests"):
        watched(Container(clock, 500), seconds=60, limits=make_limits(max_latency_ms=200))
    assert clock.now < 10


@pytest.mark.parametrize(("slow", "breach"), [({2}, False), ({2, 3}, True)])
def test_one_slow_request_of_a_few_says_nothing(clock, slow, breach):
    container = Container(clock, lambda number: 3000 if number in slow else 10)
    limits = make_limits(max_latency_ms=100)
    if not breach:
        watched(container, seconds=8, limits=limits)
        assert len(container.asked) < MIN_REQUESTS_FOR_LATENCY
        return
    with pytest.raises(DeploymentError, match="p95 latency 3000 ms"):
        watched(container, seconds=8, limits=limits)


def test_without_a_question_only_azure_monitor_is_asked(clock, caplog):
    caplog.set_level(logging.INFO)
    metrics = Metrics(clock)
    watched(Container(clock), seconds=150, metrics=metrics, probe=None)
    assert metrics.asked == pytest.approx([60, 120, 150], abs=PAUSE_SECONDS)
    assert caplog.messages[0] == (
        f"deployment green, {STAGE}: monitoring for 150 s, without probes, since there is no sample and no request, "
        "and Azure Monitor, 180 s or more behind"
    )
    assert caplog.messages[-1] == f"deployment green, {STAGE}: no probes sent"


def test_with_neither_it_waits_and_says_so(clock, caplog):
    caplog.set_level(logging.INFO)
    watched(Container(clock), seconds=5, probe=None)
    assert clock.now == 5
    assert caplog.messages[0].endswith("without probes, since there is no sample and no request")


@pytest.mark.parametrize(("breach", "at"), [(1, 60), (2, 90)])
def test_what_azure_monitor_saw_ends_it_under_way_and_at_the_end(clock, breach, at):
    metrics = Metrics(clock, breach)
    with pytest.raises(DeploymentError, match=f"{STAGE}: by Azure Monitor"):
        watched(Container(clock), seconds=90, metrics=metrics)
    assert clock.now == pytest.approx(at, abs=2 * PAUSE_SECONDS)


def test_latency_before_any_traffic(clock, caplog):
    caplog.set_level(logging.INFO)
    container = Container(clock, 40)
    Monitor("green", make_limits(max_latency_ms=41), container, PROBE).check_latency()
    assert len(container.asked) == MIN_REQUESTS_FOR_LATENCY
    assert caplog.messages == ["deployment green: p95 latency 40 ms"]
    with pytest.raises(DeploymentError, match=r"p95 latency 40 ms in 20 requests \(max_latency_ms=39\)"):
        Monitor("green", make_limits(max_latency_ms=39), container, PROBE).check_latency()


def test_one_slow_request_of_twenty_is_forgiven(clock):
    container = Container(clock, lambda number: 5000 if number == 1 else 10)
    Monitor("green", make_limits(max_latency_ms=100), container, PROBE).check_latency()


def test_without_a_limit_latency_is_not_looked_at(clock):
    container = Container(clock)
    Monitor("green", make_limits(), container, PROBE).check_latency()
    assert not container.asked


def test_a_wrong_answer_is_not_forgiven_before_there_is_traffic(clock):
    with pytest.raises(DeploymentError, match="deployment green: status 500: no"):
        Monitor("green", make_limits(max_latency_ms=100), Container(clock, fault=every_nth(7)), PROBE).check_latency()
