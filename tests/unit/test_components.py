"""The components as a pipeline's author meets them."""

import pydoc

import pytest

from kfp_azureml import components
from kfp_azureml.steps.names import component_names


def test_all_of_them_are_there() -> None:
    assert sorted(components.__all__) == component_names()


@pytest.mark.parametrize("name", components.__all__)
def test_help_shows_the_interface(name: str) -> None:
    component = getattr(components, name)
    shown = pydoc.plain(pydoc.render_doc(component))
    spec = component.component_spec
    for field in (*(spec.inputs or {}), *(spec.outputs or {})):
        assert f"`{field}`" in shown
    assert "PythonComponent is not intended" not in shown
