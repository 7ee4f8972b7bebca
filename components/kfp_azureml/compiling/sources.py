"""Finding pipelines by name or path, and loading them from their files."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import extract_tb
from typing import Any

from kfp_azureml.compiling.options import PipelineOptions
from kfp_azureml.errors import KfpAzuremlError, PipelineError, first_line

PACKAGE = Path(__file__).parents[1]


def find_pipeline(name: str) -> Path:
    """Return the file of a pipeline.

    Args:
        name: A path (`my/pipeline.py`), or the name of a pipeline that ships with the suite (`image_classification`).

    Returns:
        The pipeline's source (.py) or its compiled form (.yaml).

    Raises:
        PipelineError: If there is none.
    """
    path = Path(name)
    if path.suffix in (".py", ".yaml", ".yml"):
        if path.is_file():
            return path
        raise PipelineError(f"pipeline {name}: no such file")
    shipped = {source.stem: source for source in sorted(shipped_pipelines().glob("*.py"))}
    if name in shipped:
        return shipped[name]
    raise PipelineError(f"pipeline {name}: not a .py or .yaml file, and not one of the suite's: {', '.join(shipped)}")


def load_builder(source: Path) -> Callable[[PipelineOptions], Any]:
    """Load a pipeline module and return its `build_pipeline`.

    Args:
        source: A Python file that defines `build_pipeline(options)`, which returns a KFP pipeline.

    Raises:
        PipelineError: If the module defines no such function.
        Exception: Whatever the module raises; see `errors_in`.
    """
    spec = importlib.util.spec_from_file_location(f"kfp_azureml_pipeline_{source.stem}", source)
    if spec is None or spec.loader is None:
        raise PipelineError(f"pipeline {source}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    builder = getattr(module, "build_pipeline", None)
    if not callable(builder):
        raise PipelineError(f"pipeline {source}: defines no function build_pipeline(options)")
    return builder  # type: ignore[no-any-return]


@contextmanager
def errors_in(source: Path) -> Iterator[None]:
    """Put what a pipeline's own code raises into one line that names the place in it.

    Raises:
        PipelineError: In place of any exception that is not ours already.
    """
    try:
        yield
    except KfpAzuremlError:
        raise
    except Exception as error:
        lines = [frame.lineno for frame in extract_tb(error.__traceback__) if Path(frame.filename) == source]
        line = error.lineno if isinstance(error, SyntaxError) else next(reversed(lines), None)
        place = f"{source}, line {line}" if line else str(source)
        raise PipelineError(f"pipeline {place}: {type(error).__name__}: {first_line(error)}") from error


def shipped_pipelines() -> Path:
    """Return the folder of the suite's own pipelines: in the wheel, or beside components/ in a checkout."""
    in_wheel = PACKAGE / "pipelines"
    return in_wheel if in_wheel.is_dir() else PACKAGE.parents[1] / "pipelines"
