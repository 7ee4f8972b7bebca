import pytest

from kfp_azureml.azureml.rollout.strategy import SOAK_SECONDS, STRATEGIES, Limits, Strategy, choose_strategy
from kfp_azureml.runtime.errors import DeploymentError


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        ({}, Strategy("blue-green", (100,), 0, SOAK_SECONDS, True, Limits(1.0, 0.01, 0.0))),
        ({"name": "all-at-once"}, Strategy("all-at-once", (100,), 0, 0.0)),
        ({"name": "all-at-once", "soak_seconds": 30.0}, Strategy("all-at-once", (100,), 0, 0.0)),
        ({"name": "canary"}, Strategy("canary", (10, 50, 100), 0)),
        ({"name": "canary", "steps": [100]}, Strategy("canary", (100,), 0)),
        ({"name": "canary", "steps": [1, 99, 100]}, Strategy("canary", (1, 99, 100), 0)),
        ({"name": "canary", "on_kubernetes": True}, Strategy("canary", (10, 50, 100), 0)),
        ({"name": "mirror"}, Strategy("mirror", (100,), 10)),
        ({"name": "mirror", "mirror_percent": 50, "steps": [20, 100]}, Strategy("mirror", (20, 100), 50)),
        # Only mirror mirrors, whatever is asked for.
        ({"name": "canary", "mirror_percent": 99}, Strategy("canary", (10, 50, 100), 0)),
        ({"soak_seconds": 0, "keep_previous": False}, Strategy("blue-green", (100,), 0, 0, False)),
        ({"limits": Limits(0, 1, 5)}, Strategy("blue-green", (100,), limits=Limits(0, 1, 5))),
        # kfp.local hands over whole numbers in a list as floats.
        ({"name": "canary", "steps": [10.0, 100.0]}, Strategy("canary", (10, 100))),
    ],
)
def test_what_goes_without_saying(given, chosen):
    assert choose_strategy(**given) == chosen


def test_shares_are_whole_numbers_whatever_they_came_as():
    assert [type(step) for step in choose_strategy("canary", steps=[10.0, 100.0]).steps] == [int, int]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": "red-black"}, f"strategy 'red-black': choose one of {', '.join(STRATEGIES)}"),
        ({"name": ""}, "strategy '': choose one of"),
        ({"steps": [50, 100]}, "traffic_steps are for canary and mirror; blue-green moves all the traffic at once"),
        ({"name": "all-at-once", "steps": [100]}, "traffic_steps are for canary and mirror; all-at-once"),
        ({"name": "canary", "steps": [10, 50]}, "traffic_steps [10, 50]: rising whole percentages are needed"),
        ({"name": "canary", "steps": [50, 10, 100]}, "rising whole percentages"),
        ({"name": "canary", "steps": [10, 10, 100]}, "rising whole percentages"),
        ({"name": "canary", "steps": [0, 100]}, "rising whole percentages"),
        ({"name": "canary", "steps": [-5, 100]}, "rising whole percentages"),
        ({"name": "canary", "steps": [100, 110]}, "rising whole percentages"),
        ({"name": "canary", "steps": [2.5, 100]}, "traffic_steps [2.5, 100]: rising whole percentages"),
        ({"name": "canary", "steps": ["10", "100"]}, "traffic_steps ['10', '100']: rising whole percentages"),
        ({"name": "canary", "steps": [None, 100]}, "rising whole percentages"),
        ({"name": "canary", "steps": [True, 100]}, "rising whole percentages"),
        ({"name": "mirror", "on_kubernetes": True}, "managed endpoints only; take canary"),
        ({"name": "mirror", "mirror_percent": 51}, "mirror_percent 51: Azure mirrors 1 to 50 %"),
        ({"name": "mirror", "mirror_percent": 0}, "mirror_percent 0"),
        ({"soak_seconds": -1}, "soak_seconds -1: "),
        ({"soak_seconds": float("nan")}, "soak_seconds nan: "),
        ({"soak_seconds": float("inf")}, "soak_seconds inf: "),
        ({"limits": Limits(min_sample_accuracy=1.1)}, "min_sample_accuracy 1.1: a share from 0 to 1"),
        ({"limits": Limits(min_sample_accuracy=-0.1)}, "min_sample_accuracy -0.1"),
        ({"limits": Limits(max_error_rate=2)}, "max_error_rate 2: a share from 0 to 1"),
        ({"limits": Limits(max_error_rate=float("nan"))}, "max_error_rate nan"),
        ({"limits": Limits(max_latency_ms=-1)}, "max_latency_ms -1: "),
        ({"limits": Limits(max_latency_ms=float("nan"))}, "max_latency_ms nan: "),
    ],
)
def test_what_is_no_roll_out_is_refused_in_words(given, said):
    with pytest.raises(DeploymentError) as refused:
        choose_strategy(**given)
    assert said in str(refused.value)
