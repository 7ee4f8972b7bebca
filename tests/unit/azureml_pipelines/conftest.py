"""Small KFP pipelines and components, compiled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import compiler

from kfp_azureml.azureml_pipelines.definition import Definition
from kfp_azureml.azureml_pipelines.graph import Graph, read_graph
from kfp_azureml.azureml_pipelines.suite import read_component


@pytest.fixture
def graph(tmp_path: Path) -> Callable[[Any], Graph]:
    """Return a function that compiles a KFP pipeline and reads its graph."""

    def compile_and_read(pipeline: Any) -> Graph:
        package = tmp_path / "pipeline.yaml"
        compiler.Compiler().compile(pipeline, str(package))
        documents = list(yaml.safe_load_all(package.read_text()))
        return read_graph(documents[0], documents[1] if len(documents) > 1 else {})

    return compile_and_read


@pytest.fixture
def definition(tmp_path: Path) -> Callable[[Any], Definition]:
    """Return a function that compiles a KFP component and reads it."""

    def compile_and_read(component: Any) -> Definition:
        package = tmp_path / "component.yaml"
        compiler.Compiler().compile(component, str(package))
        return read_component(package)

    return compile_and_read
