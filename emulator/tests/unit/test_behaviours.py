from __future__ import annotations

import json
from typing import Any

import pytest

from azureml_emulator.test_control.behaviours import Behaviour, Behaviours, behaviour_from_dict


@pytest.mark.parametrize(
    ("chosen", "numbers"),
    [
        ({}, [1, 2, 3, 4, 5, 6, 7]),
        ({"from_request": 6}, [6, 7]),
        ({"every": 3}, [1, 4, 7]),
        ({"from_request": 3, "every": 2}, [3, 5, 7]),
    ],
)
def test_which_requests_are_answered_so(chosen: dict[str, Any], numbers: list[int]) -> None:
    behaviours = Behaviours()
    behaviours.set([Behaviour(status=500, **chosen)])

    assert [number for number in range(1, 8) if behaviours.next("digits", "blue")] == numbers


def test_deployments_are_counted_by_themselves() -> None:
    behaviours = Behaviours()
    second = Behaviour(endpoint="dig*", deployment="green", from_request=2)
    rest = Behaviour(deployment="g*", from_request=2, delay_seconds=1)
    behaviours.set([second, rest])

    asked = [("digits", "blue"), ("digits", "green"), ("other", "green"), ("digits", "green"), ("other", "green")]

    assert [behaviours.next(*request) for request in asked] == [None, None, None, second, rest]
    behaviours.set([second])
    assert behaviours.next("digits", "green") is None


def test_a_behaviour_comes_through_json_as_it_was() -> None:
    behaviour = Behaviour(endpoint="a", deployment="b", from_request=2, every=3, status=500, body={"error": ["x"]})

    assert behaviour_from_dict(json.loads(json.dumps(behaviour.to_dict()))) == behaviour


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"mood": "bad"}, "mood"),
        ({"from_request": 0}, "count from 1"),
        ({"every": 0}, "count from 1"),
        ({"status": 99}, "status must be"),
        ({"delay_seconds": -1}, "negative"),
    ],
)
def test_what_is_no_behaviour(document: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        behaviour_from_dict(document)
