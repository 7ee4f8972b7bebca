import pytest

from kfp_azureml.azureml.rollout.scaling import Scaling, read_scaling
from kfp_azureml.runtime.errors import DeploymentError
from rollouts import make_machines


def test_without_the_parameter_nothing_scales():
    assert read_scaling({}, on_kubernetes=False) is None


def test_defaults_are_those_of_sdk_v1():
    assert read_scaling({"max_instances": 3.0}, on_kubernetes=False) == Scaling(3, 1, 70, 1)


@pytest.mark.parametrize(
    ("autoscale", "said"),
    [
        ({"min_instances": 1}, "autoscale: max_instances is missing"),
        ({"max": 2}, "autoscale: unknown field 'max'"),
        ({"max_instances": 2, "min_instances": 3}, "autoscale min_instances 3: is more than max_instances 2"),
        ({"max_instances": 2, "min_instances": 0}, "autoscale min_instances 0: must be a whole number, 1 or more"),
        ({"max_instances": 2, "target_utilization_percentage": 101}, "must be a whole number, 1 to 100"),
        ({"max_instances": 2, "polling_interval": 5}, "autoscale polling_interval: is for Kubernetes"),
        ("3", "autoscale '3': must be a dictionary"),
    ],
)
def test_a_scaling_that_is_none(autoscale, said):
    with pytest.raises(DeploymentError, match=said):
        read_scaling(autoscale, on_kubernetes=False)


@pytest.mark.parametrize(("current", "count"), [(None, 2), (1, 2), (3, 3), (9, 4)])
def test_a_number_within_the_bounds_stays(current, count):
    assert make_machines(scaling=Scaling(4, 2)).count(current) == count


def test_a_number_of_instances_beside_scaling_is_a_contradiction():
    with pytest.raises(DeploymentError, match="instance_count 3: autoscale sets the number, from 1 to 4"):
        make_machines(scaling=Scaling(4), instance_count=3)
