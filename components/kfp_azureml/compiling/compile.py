"""Compiling a pipeline, validation included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kfp_azureml.compiling.options import PipelineOptions
from kfp_azureml.compiling.sources import errors_in, load_builder
from kfp_azureml.compiling.validation import validate_compiled
from kfp_azureml.errors import PipelineError
from kfp_azureml.outputs import whole_file


def compile_pipeline(source: Path, output: Path, options: PipelineOptions) -> None:
    """Compile a pipeline's source and check that a Kubeflow server will take it.

    Args:
        source: A Python file that defines `build_pipeline(options)`.
        output: The YAML file to write: the pipeline's document, and the Kubernetes platform's where it has one.
        options: What is chosen at compile time.

    Raises:
        PipelineError: If the source has no pipeline or a mistake in it, or the compiled pipeline would be refused.
        OutputError: If the file cannot be written.
    """
    if output.suffix not in (".yaml", ".yml") or output.is_dir():
        raise PipelineError(f"output {output}: name a file that ends in .yaml")
    from kfp import compiler

    with whole_file(output) as part:
        with errors_in(source):
            pipeline = load_builder(source)(options)
            compiler.Compiler().compile(pipeline, str(part))
        validate_compiled(part)
        _check_steps(options, pipeline)


def _check_steps(options: PipelineOptions, pipeline: Any) -> None:
    executors = pipeline.pipeline_spec.deployment_spec["executors"]
    steps = {label.removeprefix("exec-").replace("-", "_") for label in executors}
    for step in options.timeouts.keys() - steps:
        raise PipelineError(f"timeout of {step}: the pipeline has no such step; it has {', '.join(sorted(steps))}")
