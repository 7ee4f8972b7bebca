"""Finding pipelines by name or path, and loading them from their files."""

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
"""Where modules are that belong to nobody's pipeline."""


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
    """Load a pipeline module and return its `build_pipeline`, or what returns the one pipeline that it defines.

    Args:
        source: A Python file that defines `build_pipeline(options)`, which returns a KFP pipeline; or one
            `@dsl.pipeline`, as `kfp dsl compile` takes it.

    Raises:
        PipelineError: If the module defines neither, or was saved in an encoding that Python does not read.
        Exception: Whatever the module raises; see `errors_in`.
    """
    from kfp.dsl.graph_component import GraphComponent

    _check_encoding(source)
    spec = importlib.util.spec_from_file_location(f"kfp_azureml_pipeline_{source.stem}", source)
    if spec is None or spec.loader is None:
        raise PipelineError(f"pipeline {source}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses, for one, look for the names in annotations
    spec.loader.exec_module(module)
    builder = getattr(module, "build_pipeline", None)
    if callable(builder):
        return builder  # type: ignore[no-any-return]
    there = {id(value): value for value in vars(module).values() if isinstance(value, GraphComponent)}
    # One that was imported, from a file beside it, is most likely nested in the one that is defined here.
    own = {key: value for key, value in there.items() if value.pipeline_func.__module__ == module.__name__}
    pipelines = own or there
    if len(pipelines) != 1:
        raise PipelineError(
            f"pipeline {source}: defines no function build_pipeline(options), and "
            f"{len(pipelines) or 'no'} pipeline{'s' if len(pipelines) > 1 else ''} (@dsl.pipeline): expected one"
        )
    (pipeline,) = pipelines.values()
    return lambda options: _as_it_is(pipeline, source, options)


def _as_it_is(pipeline: Any, source: Path, options: PipelineOptions) -> Any:
    if options.needs_builder:
        raise PipelineError(
            f"pipeline {source}: {', '.join(options.needs_builder)} asked for, which only a function "
            "build_pipeline(options) can give its tasks; it defines none"
        )
    return pipeline


def _check_encoding(source: Path) -> None:
    start = source.read_bytes()[:4]
    if b"\0" in start or start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise PipelineError(f"pipeline {source}: is UTF-16 or UTF-32, which Python does not read: save it as UTF-8")


@contextmanager
def importing_beside(source: Path) -> Iterator[None]:
    """Let a pipeline's file import modules and packages beside it, as `python FILE` does, while the block lasts.

    What it imported from there is forgotten afterwards, and what another folder's module of the same name was before
    is put back: so two pipelines in one process may each have their own `helpers`.
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
    """Say whether a module that is loaded already stands in the way of one of that name in a folder.

    What is installed does not: a pipeline's folder with a file `yaml.py` replaces no library that kfp is using.
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
    """Return the file of a module, or the folder of a package without one; a relative path: it has neither."""
    path = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), "")
    return Path(path).resolve() if path else Path()


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
    except (Exception, SystemExit) as error:  # which would end this command without a word
        raise PipelineError(
            f"pipeline {_place_of(error, source)}: {type(error).__name__}: {first_line(error)}"
        ) from error


def _place_of(error: BaseException, source: Path) -> str:
    """Name the last line of the pipeline's file, or of a file beside it, that an error went through."""
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
    """Return the folder of the suite's own pipelines: in the wheel, or beside components/ in a checkout."""
    in_wheel = PACKAGE / "pipelines"
    return in_wheel if in_wheel.is_dir() else PACKAGE.parents[1] / "pipelines"
