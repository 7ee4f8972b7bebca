"""The networks: number of parameters, signature, accepted image sizes."""

import pytest

from kfp_azureml.steps.train import component
from kfp_azureml.steps.train.architectures import ARCHITECTURES, one_cycle


@pytest.mark.parametrize(("name", "parameters"), [("original", 241_546), ("lean", 80_282)])
def test_networks_have_the_documented_size(name: str, parameters: int) -> None:
    assert ARCHITECTURES[name].build((28, 28, 1), 10).count_params() == parameters


# The other networks for photos are built by the same function: tests/networks.
BUILT = ("lean", "original", "mobilenet_v3_small")


@pytest.mark.parametrize("name", BUILT)
@pytest.mark.parametrize("extra", [(0, 0), (0, 13), (30, 7)])
def test_networks_accept_any_image_of_at_least_min_size(name: str, extra: tuple[int, int]) -> None:
    min_size = ARCHITECTURES[name].min_size
    shape = (min_size + extra[0], min_size + extra[1], 3)
    model = ARCHITECTURES[name].build(shape, 2)
    assert (model.inputs[0].dtype, model.inputs[0].shape) == ("uint8", (None, *shape))
    assert (model.outputs[0].dtype, model.outputs[0].shape) == ("float32", (None, 2))


@pytest.mark.parametrize("name", BUILT)
def test_networks_cannot_be_built_below_min_size(name: str) -> None:
    min_size = ARCHITECTURES[name].min_size
    with pytest.raises(ValueError, match=r"zero or negative|at least 32x32"):
        ARCHITECTURES[name].build((min_size - 1, min_size, 1), 2)


def test_one_cycle_warms_up_to_the_peak_and_anneals_to_0() -> None:
    assert one_cycle(0) == pytest.approx(0.04)
    assert one_cycle(0.2) == pytest.approx(1)
    assert one_cycle(0.6) == pytest.approx(0.5)
    assert one_cycle(1) == pytest.approx(0)


def test_the_default_architecture_exists() -> None:
    default = component.train.component_spec.inputs["architecture"].default
    assert default in ARCHITECTURES
