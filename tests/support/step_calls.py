"""Call a component's own function with its defaults, in this process; its errors are raised, not exit codes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import fields
from inspect import signature
from pathlib import Path
from typing import Any
from unittest.mock import patch

from kfp import dsl
from kfp.dsl.types.type_annotations import get_io_artifact_class, is_artifact_wrapped_in_Output

from kfp_azureml.azureml.workspace_name import WorkspaceName
from kfp_azureml.components import aml_deploy_model, aml_register_model, prep, train
from kfp_azureml.steps.aml_deploy_model.deploy import DeployedModel
from kfp_azureml.steps.aml_register_model.register import RegisteredModel
from kfp_azureml.steps.prep import prep as prep_work
from kfp_azureml.steps.prep.result import PrepResult
from kfp_azureml.steps.prep.settings import ImageSettings
from kfp_azureml.steps.train import train as train_work
from kfp_azureml.steps.train.settings import TrainingSettings
from kfp_azureml.steps.train.train import TrainResult


@contextmanager
def errors_raised() -> Iterator[None]:
    """Let a step's errors through as they are."""
    with patch("kfp_azureml.runtime.step.run_step", lambda _name: nullcontext()):
        yield


def call(component: Any, **given: Any) -> dict[str, dsl.Artifact]:
    """Call a component; paths stand for input artifacts.

    Returns:
        The output artifacts by name. Their files are gone unless a path was given.
    """
    parameters = signature(component.python_func).parameters
    with tempfile.TemporaryDirectory() as folder, errors_raised():
        artifacts = {
            name: kind(name=name, uri=str(given.get(name) or Path(folder) / name))
            for name, parameter in parameters.items()
            if (kind := get_io_artifact_class(parameter.annotation))
            and (given.get(name) or is_artifact_wrapped_in_Output(parameter.annotation))
        }
        component.python_func(**{name: value for name, value in given.items() if value is not None} | artifacts)
    return {name: one for name, one in artifacts.items() if is_artifact_wrapped_in_Output(parameters[name].annotation)}


def deploy_model(model_name: str, model_version: str, endpoint_name: str = "", **given: Any) -> DeployedModel:
    """Deploy a model."""
    given |= {"model_name": model_name, "model_version": model_version, "endpoint_name": endpoint_name}
    return DeployedModel(**call(aml_deploy_model, **given)["endpoint"].metadata)


def register_model(model: Path, **given: Any) -> RegisteredModel:
    """Register a model folder."""
    return RegisteredModel(**call(aml_register_model, model=model, **given)["registered_model"].metadata)


def prep_data(input_data: str, training_data: Path, test_data: Path, **given: Any) -> PrepResult:
    """Call prep's work with the component's defaults."""
    of_images = [field.name for field in fields(ImageSettings)]
    names = {"output_format", "class_names", "use_azure_credentials", *of_images, *WorkspaceName._fields}
    settings = {"output_report": None} | _defaults(prep, names) | given
    workspace = WorkspaceName(*(settings.pop(name) for name in WorkspaceName._fields))
    images = ImageSettings(*(settings.pop(name) for name in of_images))
    return prep_work.prep_data(input_data, training_data, test_data, workspace=workspace, images=images, **settings)


def train_model(
    input_data: Path, output_model: Path, *, output_history: Path | None = None, **given: Any
) -> TrainResult:
    """Call train's work with the component's defaults."""
    return train_work.train_model(input_data, output_model, training_settings(**given), output_history=output_history)


def training_settings(**given: Any) -> TrainingSettings:
    """Return the settings of train, with the component's defaults."""
    return TrainingSettings(**_defaults(train, {field.name for field in fields(TrainingSettings)}) | given)


def _defaults(component: Any, names: set[str]) -> dict[str, Any]:
    return {name: component.component_spec.inputs[name].default for name in names}
