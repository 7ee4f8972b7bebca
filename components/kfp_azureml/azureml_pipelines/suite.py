"""Azure ML component specs of the suite and of compiled pipelines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from kfp_azureml import __version__, images
from kfp_azureml.azureml_pipelines.definition import Definition, definition_from
from kfp_azureml.azureml_pipelines.graph import Graph
from kfp_azureml.azureml_pipelines.job import node_spec
from kfp_azureml.azureml_pipelines.spec import Spec, component_spec
from kfp_azureml.compiling.options import PipelineOptions
from kfp_azureml.compiling.sources import STEPS
from kfp_azureml.runtime.errors import PipelineError
from kfp_azureml.steps.names import component_module, component_names, component_path

_READS_WHAT_NEVER_CHANGES = {"aml_live_model"}
"""Steps that access Azure and may be cached: they read a model version, whose content is fixed."""


def suite_specs(options: PipelineOptions | None = None, version: str = __version__) -> Iterator[Spec]:
    """Yield the specs of the suite's components.

    Args:
        options: Compile options with the images; None selects those in the component.yaml files.
        version: Their version.
    """
    for name in component_names():
        yield suite_spec(name, options or PipelineOptions(), version)


def suite_spec(name: str, options: PipelineOptions, version: str = __version__) -> Spec:
    """Return the spec of one of the suite's components; see `suite_specs`."""
    definition = read_component(STEPS / component_path(name) / "component.yaml")
    in_azure = definition.image == images.AZURE_IMAGE
    image = options.azure_image if in_azure else options.ml_image
    if name == "train" and options.gpu:
        image = options.ml_gpu_image
    module = component_module(name)
    # As in our pipelines, steps that access Azure are not cached.
    cached = not in_azure or name in _READS_WHAT_NEVER_CHANGES
    return component_spec(
        replace(definition, image=image), display_name=module.DISPLAY_NAME, deterministic=cached, version=version
    )


def pipeline_specs(graph: Graph, version: str = __version__) -> Iterator[Spec]:
    """Yield the specs of a pipeline's components, each once.

    Raises:
        PipelineError: If two different components have the same name.
    """
    specs: dict[str, Spec] = {}
    for node in graph.nodes:
        spec = node_spec(node, version)
        if specs.setdefault(spec.name, spec) != spec:
            raise PipelineError(f"component {spec.name}: the pipeline has two different components of that name")
    yield from specs.values()


def read_component(path: Path) -> Definition:
    """Read a component.yaml.

    Raises:
        PipelineError: If it does not contain exactly one component, or one that Azure ML does not support.
    """
    import yaml

    with path.open() as stream:
        document: dict[str, Any] = next(iter(yaml.safe_load_all(stream)))
    executors = document.get("deploymentSpec", {}).get("executors", {})
    if len(executors) != 1:
        raise PipelineError(f"{path}: expected one component, found {len(executors)}")
    ((name, component),) = document["components"].items()
    (executor,) = executors.values()
    return definition_from(name.removeprefix("comp-"), component, executor)
