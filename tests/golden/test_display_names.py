"""Display names of the tasks in Kubeflow's graph."""

import pytest
import yaml

from kfp_azureml.compiling.sources import shipped_pipelines
from kfp_azureml.steps.names import component_module, component_names


def tasks():
    document = next(yaml.safe_load_all((shipped_pipelines() / "image_classification.yaml").read_text()))
    dags = [component.get("dag", {}) for component in (document["root"], *document["components"].values())]
    return {name: task for dag in dags for name, task in dag.get("tasks", {}).items()}


@pytest.mark.parametrize("name", [name for name in component_names() if name.replace("_", "-") in tasks()])
def test_a_task_has_its_display_name(name: str) -> None:
    assert tasks()[name.replace("_", "-")]["taskInfo"]["name"] == component_module(name).DISPLAY_NAME


def test_display_names_are_unique() -> None:
    names = [component_module(name).DISPLAY_NAME for name in component_names()]
    assert len(set(names)) == len(names)
