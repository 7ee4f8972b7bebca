from __future__ import annotations

import json
from typing import Any

import pytest

from azureml_emulator.test_control.faults import (
    KINDS,
    Answer,
    Delay,
    EndOperation,
    ExpireToken,
    Fault,
    FaultPlan,
    Hide,
    HoldOperation,
    Reset,
    Truncate,
    fault_from_dict,
)

TARGET = "management.azure.com/subscriptions/s/models/digits"


def hits(fault: Fault, requests: int = 6) -> list[int]:
    plan = FaultPlan()
    plan.set([fault])
    return [number for number in range(1, requests + 1) if plan.next("GET", TARGET)]


@pytest.mark.parametrize(
    ("chosen", "numbers"),
    [
        ({}, [1]),
        ({"nth": 3}, [3]),
        ({"nth": 2, "times": 3}, [2, 3, 4]),
        ({"nth": 5, "times": None}, [5, 6]),
        ({"nth": 7}, []),
    ],
)
def test_the_nth_request_and_those_after_it(chosen: dict[str, Any], numbers: list[int]) -> None:
    assert hits(Delay(**chosen)) == numbers


@pytest.mark.parametrize(
    ("method", "path", "matches"),
    [
        ("*", "*", True),
        ("GET", TARGET, True),
        ("GET", "management.azure.com/*/models/*", True),
        ("GET", "*/models/digits?comp=list", False),
        ("PUT", "*", False),
        ("GET", "*/models", False),
        ("GET", "login.microsoftonline.com/*", False),
    ],
)
def test_method_and_path_say_which_requests_count(method: str, path: str, matches: bool) -> None:
    assert Reset(method=method, path=path).matches("GET", TARGET) is matches


def test_each_fault_counts_for_itself_and_the_first_one_that_hits_counts() -> None:
    first, second, put = Reset(nth=2), Delay(nth=2, times=2), Truncate(method="PUT")
    plan = FaultPlan()
    plan.set([first, second, put])

    seen = [plan.next(method, TARGET) for method in ("GET", "GET", "GET", "PUT")]

    assert seen == [None, first, second, put]
    assert plan.faults == [first, second, put]


def test_a_new_plan_counts_from_one() -> None:
    plan = FaultPlan()
    for _ in range(2):
        plan.set([Reset(nth=2)])
        assert plan.next("GET", TARGET) is None
        assert plan.next("GET", TARGET) is not None
    plan.set([])
    assert plan.next("GET", TARGET) is None


@pytest.mark.parametrize(
    "fault",
    [
        Answer(method="PUT", path="*/models/*", nth=2, times=None, status=429, headers={"Retry-After": "3"}),
        Answer(status=503, code="ServerBusy", message="Busy.", body="{}", after_effect=True),
        Reset(after_effect=True),
        Truncate(),
        Delay(seconds=0.5),
        ExpireToken(),
        EndOperation(code="ImageBuildFailure", message="No such package."),
        EndOperation(status="Canceled"),
        HoldOperation(),
        Hide(reads=2),
    ],
)
def test_a_fault_comes_through_json_as_it_was(fault: Fault) -> None:
    assert fault_from_dict(json.loads(json.dumps(fault.to_dict()))) == fault


def test_every_kind_has_a_name_of_its_own() -> None:
    ours = [kind for kind in Fault.__subclasses__() if kind.__module__ == Fault.__module__]

    assert list(KINDS.values()) == ours


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"kind": "hide", "reads": 0}, "reads counts from 1"),
        ({}, "no fault None"),
        ({"kind": "explosion"}, "no fault 'explosion'"),
        ({"kind": "reset", "loud": True}, "loud"),
        ({"kind": "reset", "nth": 0}, "count from 1"),
        ({"kind": "reset", "times": 0}, "count from 1"),
        ({"kind": "answer", "status": 100}, "status must be"),
        ({"kind": "delay", "seconds": -1}, "negative"),
        ({"kind": "end-operation", "status": "Succeeded"}, "Failed or Canceled"),
    ],
)
def test_what_is_no_fault(document: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        fault_from_dict(document)
