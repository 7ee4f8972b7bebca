"""Display names of the tasks in Kubeflow's graph."""

import importlib

import pytest
import yaml

from kfp_azureml.compiling.generate import component_names
from kfp_azureml.compiling.sources import shipped_pipelines

# Components that the shipped pipeline does not use.
OTHERS = {"aml_download_model"}


@pytest.mark.parametrize("name", sorted({*component_names()} - OTHERS))
def test_a_task_has_its_display_name(name: str) -> None:
    document = next(yaml.safe_load_all((shipped_pipelines() / "image_classification.yaml").read_text()))
    tasks = {}
    for component in (document["root"], *document["components"].values()):
        tasks |= component.get("dag", {}).get("tasks", {})
    assert (
        tasks[name.replace("_", "-")]["taskInfo"]["name"]
        == importlib.import_module(f"kfp_azureml.steps.{name}.component").DISPLAY_NAME
    )
