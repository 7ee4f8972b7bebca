"""Compile a pipeline and validate its arguments before it is submitted to Kubeflow or Azure ML."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kfp_azureml.compiling.absent_values import check_absent_values
from kfp_azureml.compiling.compile import compile_pipeline
from kfp_azureml.compiling.documents import read_compiled
from kfp_azureml.compiling.numbers import check_whole_numbers
from kfp_azureml.compiling.options import PipelineOptions
from kfp_azureml.compiling.parameters import check_complete, declared_parameters, parse_values
from kfp_azureml.compiling.sources import find_pipeline
from kfp_azureml.compiling.training_settings import check_training_settings

EXPERIMENT = "pipeline_samples"
"""Default experiment of submitted pipelines."""


@contextmanager
def compiled_pipeline(pipeline: str, options: PipelineOptions) -> Iterator[Path]:
    """Compile a pipeline into a temporary file; a compiled one is validated.

    Args:
        pipeline: Its name or file.
        options: Compile options.

    Yields:
        The compiled file; it is deleted when the block ends.

    Raises:
        PipelineError: If the pipeline does not exist or is invalid.
    """
    source = find_pipeline(pipeline)
    with tempfile.TemporaryDirectory(prefix="kfp-azureml-") as folder:
        package = Path(folder) / f"{source.stem}.yaml"
        compile_pipeline(source, package, options)
        yield package


def pipeline_arguments(
    package: Path,
    typed: Mapping[str, str],
    values: Mapping[str, Any] | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the validated arguments of a compiled pipeline.

    Args:
        package: The compiled pipeline.
        typed: Values as a user typed them, by parameter name. They take precedence.
        values: Values from Python, by parameter name.
        defaults: Values for parameters that the pipeline may have.

    Raises:
        PipelineError: If a parameter does not exist, a value is invalid, or a required value is missing.
        TrainingError: If a setting of train is out of range.
    """
    declared = declared_parameters(package)
    for name, value in (values or {}).items():
        check_whole_numbers(name, value)
    known = {name: value for name, value in (defaults or {}).items() if name in declared}
    arguments = {**known, **(values or {}), **parse_values(typed, declared)}
    check_complete(arguments, declared)
    compiled = read_compiled(package)
    check_absent_values(compiled, arguments)
    check_training_settings(compiled, arguments)
    return arguments
