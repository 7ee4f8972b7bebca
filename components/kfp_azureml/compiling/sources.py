"""Find pipelines by name or path, and load them."""

from __future__ import annotations

import codecs
import importlib
import importlib.util
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import Any

from kfp_azureml.compiling.options import PipelineOptions
from kfp_azureml.runtime.errors import KfpAzuremlError, PipelineError, first_line

PACKAGE = Path(__file__).parents[1]
STEPS = PACKAGE / "steps"

_INSTALLED = (PACKAGE, *(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib")))
"""Folders of installed modules, which are not part of a user's pipeline."""


def find_pipeline(name: str) -> Path:
    """Return the file of a pipeline.

    Args:
        name: A path (`my/pipeline.py`), or the name of a shipped pipeline (`image_classification`).

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
    raise PipelineError(f"pipeline {name}: neither a .py or .yaml file nor a shipped pipeline ({', '.join(shipped)})")


def load_builder(source: Path) -> Callable[[PipelineOptions], Any]:
    """Load a pipeline module and return a function that builds its pipeline.

    Args:
        source: A Python file that defines `build_pipeline(options)`, which returns a KFP pipeline, or one
            `@dsl.pipeline`, as for `kfp dsl compile`.

    Raises:
        PipelineError: If the module defines neither, or its encoding is not supported by Python.
        Exception: Any exception of the module; see `errors_in`.
    """
    from kfp.dsl.graph_component import GraphComponent

    _check_encoding(source)
    spec = importlib.util.spec_from_file_location(f"kfp_azureml_pipeline_{source.stem}", source)
    if spec is None or spec.loader is None:
        raise PipelineError(f"pipeline {source}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look up names in annotations there
    spec.loader.exec_module(module)
    builder = getattr(module, "build_pipeline", None)
    if callable(builder):
        return builder  # type: ignore[no-any-return]
    there = {id(value): value for value in vars(module).values() if isinstance(value, GraphComponent)}
    # A pipeline imported from another file is most likely nested in the one defined here.
    own = {key: value for key, value in there.items() if value.pipeline_func.__module__ == module.__name__}
    pipelines = own or there
    if len(pipelines) != 1:
        raise PipelineError(
            f"pipeline {source}: defines no function build_pipeline(options), and "
            f"{len(pipelines) or 'no'} pipeline{'s' if len(pipelines) > 1 else ''} (@dsl.pipeline): expected one"
        )
    (pipeline,) = pipelines.values()
    return lambda options: _without_options(pipeline, source, options)


def _without_options(pipeline: Any, source: Path, options: PipelineOptions) -> Any:
    if options.needs_builder:
        raise PipelineError(
            f"pipeline {source}: {', '.join(options.needs_builder)} cannot be set, since the file defines no function "
            "build_pipeline(options)"
        )
    return pipeline


def _check_encoding(source: Path) -> None:
    start = source.read_bytes()[:4]
    if b"\0" in start or start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise PipelineError(f"pipeline {source}: UTF-16 or UTF-32, which Python does not support: save it as UTF-8")


@contextmanager
def importing_beside(source: Path) -> Iterator[None]:
    """Add the pipeline's folder to sys.path during the block.

    Afterwards restore sys.modules, so that each pipeline can have its own module `helpers`.
    """
    folder = source.resolve().parent
    before = dict(sys.modules)
    for name, module in before.items():
        if _is_shadowed(name, module, folder):
            del sys.modules[name]
    importlib.invalidate_caches()
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name, module in list(sys.modules.items()):
            if name not in before and _is_beside(name, module, folder):
                del sys.modules[name]
        sys.modules.update(before)


def _is_shadowed(name: str, module: ModuleType, folder: Path) -> bool:
    """Tell whether a loaded module hides one of the same name in a folder.

    Installed modules do not count: a file `yaml.py` beside a pipeline must not replace the library that kfp uses.
    """
    root = name.partition(".")[0]
    if not ((folder / f"{root}.py").is_file() or (folder / root / "__init__.py").is_file()):
        return False
    place = _place(module)
    return place.is_absolute() and not _is_installed(place)


def _is_beside(name: str, module: ModuleType, folder: Path) -> bool:
    root = name.partition(".")[0]
    place = _place(module)
    return folder / f"{root}.py" == place or folder / root in (place, *place.parents)


def _place(module: ModuleType) -> Path:
    """Return a module's file or a namespace package's folder; a relative path if it has neither."""
    path = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), "")
    return Path(path).resolve() if path else Path()


@contextmanager
def errors_in(source: Path) -> Iterator[None]:
    """Replace exceptions of the pipeline's code with a one-line error that names file and line.

    Raises:
        PipelineError: In place of any exception but a KfpAzuremlError.
    """
    try:
        yield
    except KfpAzuremlError:
        raise
    except (Exception, SystemExit) as error:  # SystemExit would end this command silently
        raise PipelineError(
            f"pipeline {_place_of(error, source)}: {type(error).__name__}: {first_line(error)}"
        ) from error


def _place_of(error: BaseException, source: Path) -> str:
    """Return file and line of the innermost frame in the pipeline's file or its folder."""
    folder = source.resolve().parent
    places = [(frame.filename, frame.lineno) for frame in extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        places.append((error.filename, error.lineno))
    for name, line in reversed(places):
        path = Path(name).resolve()
        if not path.is_file():  # <frozen importlib._bootstrap> and the like
            continue
        if path == source.resolve():
            return f"{source}, line {line}"
        if folder in path.parents and not _is_installed(path):
            return f"{source}: {path}, line {line}"
    return str(source)


def _is_installed(path: Path) -> bool:
    return any(installed in path.parents for installed in _INSTALLED)


def shipped_pipelines() -> Path:
    """Return the folder of the shipped pipelines: in the wheel, or beside components/ in a checkout."""
    in_wheel = PACKAGE / "pipelines"
    return in_wheel if in_wheel.is_dir() else PACKAGE.parents[1] / "pipelines"
