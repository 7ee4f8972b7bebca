import pytest

from kfp_azureml.azureml.rollout.strategy import CANARY_STEPS, STRATEGIES
from kfp_azureml.runtime.errors import DeploymentError
from kfp_azureml.steps.aml_deploy_model.component import aml_deploy_model
from rollouts import make_limits, make_strategy


@pytest.mark.parametrize(
    ("given", "steps", "mirrored", "watched_seconds"),
    [
        ({}, (100,), 0, 60),
        ({"name": "blue-green", "soak_seconds": 0}, (100,), 0, 0),
        ({"name": "all-at-once"}, (100,), 0, 0),
        ({"name": "all-at-once", "soak_seconds": 30.0}, (100,), 0, 0),
        ({"name": "canary"}, (10, 50, 100), 0, 180),
        ({"name": "canary", "traffic_steps": [100]}, (100,), 0, 60),
        ({"name": "canary", "traffic_steps": [1, 99, 100], "soak_seconds": 7}, (1, 99, 100), 0, 21),
        ({"name": "mirror"}, (100,), 10, 120),
        ({"name": "mirror", "mirror_percent": 50, "traffic_steps": [20, 100]}, (20, 100), 50, 180),
        # Only mirror mirrors.
        ({"name": "canary", "mirror_percent": 99}, (10, 50, 100), 0, 180),
        # kfp.local turns whole numbers in a list into floats.
        ({"name": "canary", "traffic_steps": [10.0, 100.0]}, (10, 100), 0, 120),
    ],
)
def test_the_defaults_of_each_strategy(given, steps, mirrored, watched_seconds):
    strategy = make_strategy(**given)
    assert (strategy.steps, strategy.mirrored, strategy.watched_seconds) == (steps, mirrored, watched_seconds)


def test_the_documented_default_is_that_of_canary():
    assert f"empty selects {list(CANARY_STEPS)} (canary)" in " ".join(aml_deploy_model.python_func.__doc__.split())


def test_shares_are_whole_numbers_whatever_they_came_as():
    assert [type(step) for step in make_strategy("canary", traffic_steps=[10.0, 100.0]).steps] == [int, int]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": "red-black"}, f"strategy 'red-black': set one of {', '.join(STRATEGIES)}"),
        ({"name": ""}, "strategy '': set one of"),
        ({"traffic_steps": [50, 100]}, "traffic_steps are for canary and mirror; blue-green moves all traffic at once"),
        ({"name": "all-at-once", "traffic_steps": [100]}, "traffic_steps are for canary and mirror; all-at-once"),
        ({"name": "canary", "traffic_steps": [10, 50]}, "traffic_steps [10, 50]: must be rising whole percentages"),
        ({"name": "canary", "traffic_steps": [50, 10, 100]}, "rising whole percentages"),
        ({"name": "canary", "traffic_steps": [10, 10, 100]}, "rising whole percentages"),
        ({"name": "canary", "traffic_steps": [0, 100]}, "rising whole percentages"),
        ({"name": "canary", "traffic_steps": [-5, 100]}, "rising whole percentages"),
        ({"name": "canary", "traffic_steps": [100, 110]}, "rising whole percentages"),
        ({"name": "canary", "traffic_steps": [2.5, 100]}, "traffic_steps [2.5, 100]: must be rising whole percentages"),
        ({"name": "canary", "traffic_steps": ["10", "100"]}, "traffic_steps ['10', '100']: must be rising"),
        ({"name": "canary", "traffic_steps": [None, 100]}, "rising whole percentages"),
        ({"name": "canary", "traffic_steps": [True, 100]}, "rising whole percentages"),
        ({"name": "mirror", "mirror_percent": 51}, "mirror_percent 51: must be 1 to 50 (Azure's limit)"),
        ({"name": "mirror", "mirror_percent": 0}, "mirror_percent 0"),
        ({"soak_seconds": -1}, "soak_seconds -1: "),
        ({"soak_seconds": float("nan")}, "soak_seconds nan: "),
        ({"soak_seconds": float("inf")}, "soak_seconds inf: "),
    ],
)
def test_an_invalid_strategy_is_refused(given, said):
    with pytest.raises(DeploymentError) as refused:
        make_strategy(**given)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"min_sample_accuracy": 1.1}, "min_sample_accuracy 1.1: must be 0 to 1"),
        ({"min_sample_accuracy": -0.1}, "min_sample_accuracy -0.1"),
        ({"max_error_rate": 2}, "max_error_rate 2: must be 0 to 1"),
        ({"max_error_rate": float("nan")}, "max_error_rate nan"),
        ({"max_latency_ms": -1}, "max_latency_ms -1: "),
        ({"max_latency_ms": float("nan")}, "max_latency_ms nan: "),
    ],
)
def test_an_invalid_limit_is_refused(given, said):
    with pytest.raises(DeploymentError) as refused:
        make_limits(**given)
    assert said in str(refused.value)
