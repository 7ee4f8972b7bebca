"""The networks: their size, their signature, the images they take."""

import pytest

from kfp_azureml.steps.train import component
from kfp_azureml.steps.train.architectures import ARCHITECTURES, one_cycle


@pytest.mark.parametrize(("name", "parameters"), [("seed", 241_546), ("lean", 80_282)])
def test_networks_have_the_documented_size(name: str, parameters: int) -> None:
    assert ARCHITECTURES[name].build((28, 28, 1), 10).count_params() == parameters


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("extra", [(0, 0), (0, 13), (30, 7)])
def test_networks_take_any_image_from_their_smallest_on(name: str, extra: tuple[int, int]) -> None:
    smallest = ARCHITECTURES[name].smallest
    shape = (smallest + extra[0], smallest + extra[1], 3)
    model = ARCHITECTURES[name].build(shape, 2)
    assert (model.inputs[0].dtype, model.inputs[0].shape) == ("uint8", (None, *shape))
    assert (model.outputs[0].dtype, model.outputs[0].shape) == ("float32", (None, 2))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_smallest_image_is_the_true_limit(name: str) -> None:
    smallest = ARCHITECTURES[name].smallest
    with pytest.raises(ValueError, match="zero or negative"):
        ARCHITECTURES[name].build((smallest - 1, smallest, 1), 2)


def test_one_cycle_rises_to_the_peak_and_falls_to_nothing() -> None:
    assert one_cycle(0) == pytest.approx(0.04)
    assert one_cycle(0.2) == pytest.approx(1)
    assert one_cycle(0.6) == pytest.approx(0.5)
    assert one_cycle(1) == pytest.approx(0)


def test_the_default_architecture_exists() -> None:
    default = component.train.component_spec.inputs["architecture"].default
    assert default in ARCHITECTURES
