"""KFP component prep: its interface, and that it passes every argument on."""

from types import SimpleNamespace

import pytest

from kfp_azureml.images import ML_IMAGE
from kfp_azureml.steps.prep import prep as work
from kfp_azureml.steps.prep.component import DISPLAY_NAME, prep
from kfp_azureml.steps.prep.result import PrepResult
from kfp_azureml.steps.prep.settings import ImageSettings


def test_the_interface():
    spec = prep.component_spec
    assert DISPLAY_NAME == "Prep Data"
    assert spec.implementation.container.image == ML_IMAGE
    assert {name: (given.type, given.default) for name, given in spec.inputs.items()} == {
        "input_data": ("String", None),
        "output_format": ("String", "parquet"),
        "class_names": ("List[String]", []),
        "input_format": ("String", ""),
        "image_size": ("String", ""),
        "resize": ("String", "pad"),
        "channels": ("Integer", 0),
        "test_fraction": ("Float", 0.2),
        "on_bad_image": ("String", "fail"),
        "max_bad_fraction": ("Float", 0.1),
        "data_version": ("String", ""),
        "use_azure_credentials": ("Boolean", False),
        "resource_group": ("String", ""),
        "workspace": ("String", ""),
        "subscription_id": ("String", ""),
    }
    assert {name: made.type for name, made in spec.outputs.items()} == {
        "training_data": "system.Dataset@0.0.1",
        "test_data": "system.Dataset@0.0.1",
        "report": "system.HTML@0.0.1",
    }


@pytest.fixture
def calls(monkeypatch):
    calls = []

    def prep_data(*arguments, **settings):
        calls.append((arguments, settings))
        return PrepResult(5, 2, (4, 4, 1), ("bag", "boot"))

    monkeypatch.setattr(work, "prep_data", prep_data)
    return calls


def test_every_argument_is_passed_on_and_the_metadata_is_set(calls, tmp_path):
    training_data = SimpleNamespace(path=str(tmp_path / "training"), metadata={})
    test_data = SimpleNamespace(path=str(tmp_path / "test"), metadata={})
    report = SimpleNamespace(path=str(tmp_path / "report"))
    of_images = ("folders", "8x9", "crop", 3, 0.3, "skip", 0.5)
    prep.python_func(
        training_data, test_data, report, "data", "csv", ["bag", "boot"], *of_images, "v1", True, "g", "w", "s"
    )
    assert calls == [
        (
            ("data", tmp_path / "training", tmp_path / "test"),
            {
                "output_format": "csv",
                "class_names": ["bag", "boot"],
                "images": ImageSettings(*of_images),
                "use_azure_credentials": True,
                "workspace": ("g", "w", "s"),
                "output_report": tmp_path / "report",
            },
        )
    ]
    described = {"format": "csv", "image_shape": [4, 4, 1], "classes": ["bag", "boot"]}
    assert training_data.metadata == {**described, "images": 5}
    assert test_data.metadata == {**described, "images": 2}
