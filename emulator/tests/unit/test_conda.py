from __future__ import annotations

import sys

import pytest

from azureml_emulator.control_plane.arm import ArmError
from azureml_emulator.scoring.environments import parse_conda_file

MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.mark.parametrize(
    "python", ["python", f"python={MINOR}", f"python=={MINOR}.7", f"python = {MINOR}.*", f"conda-forge::python={MINOR}"]
)
def test_python_and_pip_are_built(python: str) -> None:
    text = (
        f"name: e\nchannels: [conda-forge]\ndependencies:\n- {python}\n- pip=24\n- pip:\n  - numpy==2.1\n  - pillow\n"
    )

    assert parse_conda_file(text).requirements == ("numpy==2.1", "pillow")


@pytest.mark.parametrize("python", ["3.9", "3.13"])
def test_another_python_is_built_too(python: str) -> None:
    assert parse_conda_file(f"dependencies: [python={python}]").python == python


def test_python_is_this_one_where_none_is_named() -> None:
    assert parse_conda_file("dependencies: [python, pip]").python == MINOR


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dependencies: [python=2.7]", "'python=2.7'"),
        ("dependencies: [python=3.14]", "3.9, 3.10, 3.11, 3.12, 3.13"),
        ("dependencies: ['python>=3.8']", "'python>=3.8'"),
        (f"dependencies: [python={MINOR}, cudatoolkit=11.8]", "'cudatoolkit=11.8'"),
        ("dependencies: [conda-forge::numpy]", "numpy"),
        ("dependencies: [{pip: numpy}]", "{'pip': 'numpy'}"),
        ("dependencies: [{npm: [left-pad]}]", "npm"),
        ("dependencies: [3]", "3"),
        ("name: e", "'dependencies'"),
        ("just text", "'dependencies'"),
        ("a: [", "not YAML"),
    ],
)
def test_anything_else_is_a_build_failure_that_names_it(text: str, said: str) -> None:
    with pytest.raises(ArmError) as caught:
        parse_conda_file(text)

    assert caught.value.code == "ImageBuildFailure"
    assert said in caught.value.message
