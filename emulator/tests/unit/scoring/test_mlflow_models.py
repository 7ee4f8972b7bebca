from __future__ import annotations

import sys
from pathlib import Path

import pytest

from azureml_emulator.arm.errors import ArmError
from azureml_emulator.scoring.mlflow_models import ALSO_NEEDED, ENTRY_FOLDER, ENTRY_SCRIPT, read_environment
from tiny_mlflow import COLUMNS, write_mlflow_model

MLMODEL = "flavors: {python_function: {env: %s}}"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_mlflow_model(tmp_path / "model", COLUMNS, ("one==1", "two"))


def test_the_conda_file_that_the_model_names_counts(model: Path) -> None:
    (model / "requirements.txt").write_text("three\n")

    assert read_environment(model).requirements == ("one==1", "two", *ALSO_NEEDED)


@pytest.mark.parametrize("named", ["conda.yaml", "{conda: conda.yaml, virtualenv: python_env.yaml}"])
def test_both_forms_of_naming_the_conda_file(model: Path, named: str) -> None:
    (model / "MLmodel").write_text(MLMODEL % named)

    assert read_environment(model).requirements[:2] == ("one==1", "two")


@pytest.mark.parametrize("named", ["null", "gone.yaml", "{virtualenv: python_env.yaml}"])
def test_without_a_conda_file_requirements_txt_counts(model: Path, named: str) -> None:
    (model / "MLmodel").write_text(MLMODEL % named)
    (model / "requirements.txt").write_text("three\nfour # why\n")

    assert read_environment(model).requirements == ("three", "four # why", *ALSO_NEEDED)


@pytest.mark.parametrize(
    ("mlmodel", "said"),
    [
        (None, "no MLmodel file"),
        ("a: [", "no MLmodel file"),
        ("flavors: {sklearn: {}}", "python_function"),
        ("flavors: [python_function]", "python_function"),
        (MLMODEL % "gone.yaml", "neither the conda file"),
        (MLMODEL % "../secret.yaml", "names the file '../secret.yaml', which is outside of it"),
        (MLMODEL % "/etc/passwd", "'/etc/passwd', which is outside of it"),
        (MLMODEL % "binary.yaml", "'binary.yaml' is not a text file"),
        (MLMODEL % '"a\\0b"', "is not a text file"),
        ("flavors: 2024-13-45", "no MLmodel file"),
        ("flavors: " + "[" * 3000, "no MLmodel file"),
    ],
)
def test_invalid_models_are_refused(model: Path, mlmodel: str | None, said: str) -> None:
    (model / "MLmodel").unlink()
    (model.parent / "secret.yaml").write_text("secret: [")
    (model / "binary.yaml").write_bytes(b"\xff\xfe\x9b")
    if mlmodel is not None:
        (model / "MLmodel").write_text(mlmodel)

    with pytest.raises(ArmError, match=said) as caught:
        read_environment(model)

    assert caught.value.code == "ImageBuildFailure"


def test_another_python_is_named(model: Path) -> None:
    (model / "conda.yaml").write_text("dependencies: [python=3.8]")

    with pytest.raises(ArmError, match=f"{sys.version_info.major}.{sys.version_info.minor}"):
        read_environment(model)


def test_a_single_file_is_not_an_mlflow_model(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").touch()

    with pytest.raises(ArmError, match="no MLmodel file"):
        read_environment(tmp_path / "model.pkl")


def test_the_entry_script_is_there_and_knows_nothing_of_the_emulator() -> None:
    script = (ENTRY_FOLDER / ENTRY_SCRIPT).read_text()

    compile(script, ENTRY_SCRIPT, "exec")
    assert "azureml_emulator" not in script


def test_the_requirements_of_a_model_are_no_local_files(model: Path) -> None:
    (model / "MLmodel").write_text(MLMODEL % "null")
    (model / "requirements.txt").write_text("three\n-r /etc/hostname\n")

    with pytest.raises(ArmError, match="'-r /etc/hostname', a local file"):
        read_environment(model)
