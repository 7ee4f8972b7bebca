"""Compiling a pipeline, validation included."""

from __future__ import annotations

from pathlib import Path

from kfp_azureml.compiling.options import PipelineOptions
from kfp_azureml.compiling.sources import load_builder
from kfp_azureml.compiling.validation import validate_compiled
from kfp_azureml.outputs import whole_file


def compile_pipeline(source: Path, output: Path, options: PipelineOptions) -> None:
    """Compile a pipeline's source and check that a Kubeflow server will take it.

    Args:
        source: A Python file that defines `build_pipeline(options)`.
        output: The YAML file to write: the pipeline's document, and the Kubernetes platform's where it has one.
        options: What is chosen at compile time.

    Raises:
        PipelineError: If the source has no pipeline, or the compiled one would be refused.
    """
    from kfp import compiler

    pipeline = load_builder(source)(options)
    with whole_file(output) as part:
        # kfp refuses a path that does not end in .yaml.
        document = part.with_suffix(".yaml")
        try:
            compiler.Compiler().compile(pipeline, str(document))
            validate_compiled(document)
            document.rename(part)
        finally:
            document.unlink(missing_ok=True)
