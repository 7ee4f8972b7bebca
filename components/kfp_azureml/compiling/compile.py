"""Compile a pipeline and validate the result."""

from __future__ import annotations

from pathlib import Path

from kfp_azureml.compiling.documents import Compiled, head_of, read_compiled, read_text, write_compiled
from kfp_azureml.compiling.options import PipelineOptions
from kfp_azureml.compiling.sources import errors_in, importing_beside, load_builder
from kfp_azureml.compiling.task_images import image_names, with_images
from kfp_azureml.compiling.validation import validate_documents
from kfp_azureml.runtime.errors import PipelineError
from kfp_azureml.runtime.outputs import atomic_file


def compile_pipeline(source: Path, output: Path, options: PipelineOptions) -> tuple[str, ...]:
    """Compile a pipeline and validate the result.

    Args:
        source: A Python file that defines `build_pipeline(options)` or one pipeline; or a compiled pipeline, to which
            only the image options apply.
        output: The YAML file: the pipeline's document and, if it has one, the Kubernetes platform's.
        options: Compile options.

    Returns:
        The images in the file.

    Raises:
        PipelineError: If the source has no pipeline or an error, an option does not apply, or the result is invalid.
        OutputError: If the file cannot be written.
    """
    if output.suffix not in (".yaml", ".yml") or output.is_dir():
        raise PipelineError(f"output {output}: expected a file name that ends in .yaml")
    with atomic_file(output) as part:
        if source.suffix == ".py":
            _compile(source, part, options)
            compiled = read_compiled(part)
        else:
            if options.needs_builder:
                raise PipelineError(
                    f"{source} is already compiled: {', '.join(options.needs_builder)} cannot be set; "
                    "compile its .py file"
                )
            compiled = read_compiled(source)
            part.write_text(read_text(source), encoding="utf-8")
        validate_documents(source, compiled.pipeline, compiled.platform)
        chosen = with_images(compiled, options)
        _check_steps(options, chosen)
        if chosen != compiled:
            write_compiled(chosen, part, head_of(read_text(part)))
    return image_names(chosen)


def _compile(source: Path, output: Path, options: PipelineOptions) -> None:
    from kfp import compiler

    with errors_in(source), importing_beside(source):
        compiler.Compiler().compile(load_builder(source)(options), str(output))


def _check_steps(options: PipelineOptions, compiled: Compiled) -> None:
    steps = {label.removeprefix("exec-").replace("-", "_") for label in compiled.containers}
    for step in options.timeouts.keys() - steps:
        raise PipelineError(f"timeout of {step}: no such step; the pipeline has {', '.join(sorted(steps))}")
