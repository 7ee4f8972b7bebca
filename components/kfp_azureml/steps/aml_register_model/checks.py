"""Check that a model folder is what was trained and scored, from its files alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kfp_azureml.models.model_folder import (
    KERAS_FILE,
    MANIFEST_FILE,
    MLFLOW_FILE,
    SAMPLE_FILE,
    CheckRecord,
    read_check,
    read_manifest,
    reject_pointer_files,
    verify_files,
)
from kfp_azureml.runtime.errors import ModelError

CUSTOM, MLFLOW = "custom_model", "mlflow_model"
MODEL_TYPES = (CUSTOM, MLFLOW, "triton_model")


def default_type(files: Mapping[str, str]) -> str:
    """Return the type of a model folder: what its files are for.

    Train writes an MLflow model with or without `model.keras`; with it, the suite's own entry script is to serve it.

    Args:
        files: sha256 of each file, by name.
    """
    return MLFLOW if MLFLOW_FILE in files and KERAS_FILE not in files else CUSTOM


def check_model(
    model: Path, files: Mapping[str, str], model_type: str, score_result: Path | None
) -> CheckRecord | None:
    """Check a model folder before it is registered.

    Args:
        model: The model folder.
        files: sha256 of each file, by name.
        model_type: One of `MODEL_TYPES`, which have different layouts.
        score_result: Output of the score step; None if the model was not scored.

    Returns:
        The score step's check record; None if the model was not scored.

    Raises:
        ModelError: If the folder is empty, incomplete for its type, or not what was trained or scored.
    """
    if not files:
        raise ModelError(f"{model}: expected a model folder with files in it")
    _check_layout(model, model_type)
    reject_pointer_files(model, files)
    if MANIFEST_FILE in files:
        recorded = read_manifest(model).files
        verify_files(model, files, recorded)
        # The check record lists all files of a scored model; other types add files to train's.
        if score_result is None and model_type == CUSTOM:
            _check_nothing_else(model, files, recorded)
    if score_result is None:
        return None

    check = read_check(score_result)
    verify_files(model, files, check.files)
    unscored = sorted(files.keys() - check.files.keys())
    if unscored:
        raise ModelError(f"{model}: {', '.join(unscored)} added after the model was scored: score it again")
    return check


def _check_nothing_else(model: Path, files: Mapping[str, str], recorded: Mapping[str, str]) -> None:
    # A folder that was registered and downloaded has the sample.
    unrecorded = sorted(files.keys() - recorded.keys() - {MANIFEST_FILE, SAMPLE_FILE})
    if unrecorded:
        raise ModelError(
            f"{model}: {', '.join(unrecorded)} is not recorded in {MANIFEST_FILE}: remove it, or score the folder as "
            "it is and set score_result"
        )


def _check_layout(model: Path, model_type: str) -> None:
    if model_type not in MODEL_TYPES:
        raise ModelError(f"model_type {model_type!r}: expected one of {', '.join(MODEL_TYPES)}")
    if model_type == MLFLOW and not (model / MLFLOW_FILE).is_file():
        raise ModelError(f"{model}: an {MLFLOW} needs the file {MLFLOW_FILE}")
    if model_type == "triton_model" and not _is_triton_repository(model):
        raise ModelError(
            f"{model}: a triton_model needs the layout of a Triton repository: NAME/config.pbtxt and files in NAME/1/"
        )


def _is_triton_repository(folder: Path) -> bool:
    """Return whether a model in the folder has a configuration and a numbered version with files."""
    names = [config.parent for config in folder.glob("*/config.pbtxt")]
    versions = [version for name in names for version in name.iterdir() if version.is_dir() and version.name.isdigit()]
    return any(any(version.iterdir()) for version in versions)
