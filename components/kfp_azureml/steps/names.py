"""The components' names and folders.

`steps/train` is train, `steps/databricks/run_job` is databricks_run_job.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

_STEPS = Path(__file__).parent


def component_names() -> list[str]:
    """Return the names of the suite's components."""
    return sorted(_paths())


def component_path(name: str) -> Path:
    """Return the path of a component's folder below `steps`.

    Raises:
        KeyError: If there is no such component.
    """
    return _paths()[name]


def component_module(name: str) -> ModuleType:
    """Import the module of a component: it has the function of that name, and DISPLAY_NAME."""
    return importlib.import_module(".".join(("kfp_azureml.steps", *component_path(name).parts, "component")))


def _paths() -> dict[str, Path]:
    paths = [face.parent.relative_to(_STEPS) for face in _STEPS.rglob("component.py")]
    return {"_".join(path.parts): path for path in paths}
