"""MLflow models without code or environment: what their folder defines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import yaml

from azureml_emulator.scoring.build_failures import image_build_failure
from azureml_emulator.scoring.conda_files import CondaSpec, parse_conda_file, pip_requirement
from azureml_emulator.scoring.interpreters import SERVER, check_server_python

ENTRY_FOLDER = Path(__file__).parent / "mlflow_entry"
ENTRY_SCRIPT = "score.py"
FOLDER_VARIABLE = "MLFLOW_MODEL_FOLDER"
"""Gives the entry script the name of the model's folder in AZUREML_MODEL_DIR."""
ALSO_NEEDED = (SERVER, "mlflow-skinny>=2", "pandas")
"""Requirements of the entry script, in addition to the model's."""


def read_environment(model: Path) -> CondaSpec:
    """Read a model's environment, with what the entry script needs added.

    Args:
        model: Its folder. The conda file that MLmodel names takes precedence over `requirements.txt`.

    Raises:
        ArmError: ImageBuildFailure, if a file is missing or invalid, or its Python cannot run the inference server.
    """
    conda = _text_in(model, str(_conda_file(_read_flavor(model)) or "."))
    pip = _text_in(model, "requirements.txt")
    if conda is not None:
        spec = parse_conda_file(conda)
    elif pip is not None:
        spec = CondaSpec(tuple(map(pip_requirement, pip.splitlines())))
    else:
        raise image_build_failure("The MLflow model has neither the conda file its MLmodel names nor requirements.txt.")
    check_server_python(spec)
    return replace(spec, requirements=(*spec.requirements, *ALSO_NEEDED))


def _read_flavor(model: Path) -> dict[str, object]:
    try:
        flavor = yaml.safe_load(_text_in(model, "MLmodel") or "")["flavors"]["python_function"]
    # ValueError: a date or number that Python does not have.
    except (yaml.YAMLError, KeyError, TypeError, ValueError, RecursionError):
        flavor = None
    if not isinstance(flavor, dict):
        raise image_build_failure("The model has no MLmodel file in its folder with the flavor 'python_function'.")
    return flavor


def _text_in(model: Path, name: str) -> str | None:
    """Read a file of a model; None if it has no such file.

    Raises:
        ArmError: ImageBuildFailure, if it is outside the model or no text.
    """
    file = model / name
    try:
        if not file.resolve().is_relative_to(model.resolve()):
            raise image_build_failure(f"The MLflow model names the file {name!r}, which is outside of it.")
        return file.read_text() if file.is_file() else None
    except (OSError, ValueError):
        raise image_build_failure(f"The MLflow model's file {name!r:.300} is not a text file.") from None


def _conda_file(flavor: dict[str, object]) -> object:
    environment = flavor.get("env")
    return environment.get("conda") if isinstance(environment, dict) else environment
