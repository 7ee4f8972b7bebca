"""Compiling a pipeline, validation included."""

from __future__ import annotations

from pathlib import Path

from kfp_azureml.compiling.documents import Compiled, head_of, read_compiled, read_text, write_compiled
from kfp_azureml.compiling.options import PipelineOptions
from kfp_azureml.compiling.sources import errors_in, importing_beside, load_builder
from kfp_azureml.compiling.task_images import image_names, with_images
from kfp_azureml.compiling.validation import validate_documents
from kfp_azureml.runtime.errors import PipelineError
from kfp_azureml.runtime.outputs import whole_file


def compile_pipeline(source: Path, output: Path, options: PipelineOptions) -> tuple[str, ...]:
    """Compile a pipeline and check that a Kubeflow server will take it.

    Args:
        source: A Python file that defines `build_pipeline(options)`, or one pipeline; or a compiled pipeline, of which
            only the images can be chosen.
        output: The YAML file to write: the pipeline's document, and the Kubernetes platform's where it has one.
        options: What is chosen at compile time.

    Returns:
        The images that the file names.

    Raises:
        PipelineError: If the source has no pipeline or a mistake in it, or the compiled pipeline would be refused.
        OutputError: If the file cannot be written.
    """
    if output.suffix not in (".yaml", ".yml") or output.is_dir():
        raise PipelineError(f"output {output}: name a file that ends in .yaml")
    with whole_file(output) as part:
        if source.suffix == ".py":
            _compile(source, part, options)
            compiled = read_compiled(part)
        else:
            if options.needs_builder:
                raise PipelineError(
                    f"{source} is compiled already: it cannot be given {', '.join(options.needs_builder)}"
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
        raise PipelineError(f"timeout of {step}: the pipeline has no such step; it has {', '.join(sorted(steps))}")
