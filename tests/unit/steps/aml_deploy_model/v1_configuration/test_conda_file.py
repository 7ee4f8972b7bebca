import sys

import pytest

from kfp_azureml.steps.aml_deploy_model.v1_configuration.conda_file import SERVER_REQUIREMENT, translate_conda

PYTHON = f"python={sys.version_info.major}.{sys.version_info.minor}"


def translate(*dependencies, **more):
    translated = translate_conda({"dependencies": list(dependencies), **more}, "conda.yml")
    return translated.conda["dependencies"], "\n".join(translated.notes)


@pytest.mark.parametrize(
    "python",
    [
        *("python=3.6.2", "python==3.6", "python 3.7.*", "python<3.8", "python>=3.5,<3.9", "python=2.7"),
        *("conda-forge::python=3.8", "python=3.6.2=h02fb82a_0", "python<=3.8.20", "python~=2.7"),
    ],
)
def test_a_python_without_a_server_is_replaced(python):
    dependencies, said = translate(python)
    assert dependencies[0] == PYTHON
    assert f"{python}: the inference server needs Python 3.9 or newer" in said


@pytest.mark.parametrize(
    "python",
    ["python", "python=3.12", "python>=3.6", "python<3.11", "python=3", "python>3.9.1", "python<3.9.5", "python~=3.9"],
)
def test_a_python_that_may_be_current_stays(python):
    dependencies, said = translate(python)
    assert dependencies[0] == python
    assert "Python" not in said


def test_without_a_python_there_is_one():
    dependencies, said = translate("numpy")
    assert dependencies[:2] == [PYTHON, "numpy"]
    assert "names no Python" in said


@pytest.mark.parametrize(
    "package", ["azureml-defaults", "azureml-defaults==1.0.85", "azureml_defaults~=1.1", "azureml-defaults[x]"]
)
def test_the_package_of_sdk_v1_is_the_server(package):
    dependencies, said = translate("python=3.11", {"pip": [package, "numpy"]})
    assert dependencies == ["python=3.11", {"pip": [SERVER_REQUIREMENT, "numpy"]}]
    assert f"{package}: {SERVER_REQUIREMENT} instead" in said


def test_a_server_of_ones_own_stays():
    dependencies, _ = translate("python=3.11", {"pip": ["azureml-defaults", "azureml-inference-server-http==1.4"]})
    assert dependencies[-1] == {"pip": ["azureml-inference-server-http==1.4"]}


def test_without_a_server_there_is_one():
    dependencies, said = translate("python=3.11", {"pip": ["numpy"]})
    assert dependencies[-1] == {"pip": [SERVER_REQUIREMENT, "numpy"]}
    assert "has no inference server" in said


@pytest.mark.parametrize(
    "package", ["azureml-core", "azureml-sdk[notebooks]", "azureml-train-core==1.0", "azureml-monitoring"]
)
def test_packages_of_sdk_v1_are_left_out(package):
    dependencies, said = translate("python=3.11", {"pip": [package]})
    assert dependencies[-1] == {"pip": [SERVER_REQUIREMENT]}
    assert f"{package}: left out" in said


@pytest.mark.parametrize("package", ["azureml-mlflow", "azureml-ai-monitoring", "azureml-fsspec", "-r more.txt", 3])
def test_other_packages_stay(package):
    assert package in translate("python=3.11", {"pip": [package]})[0][-1]["pip"]


def test_versions_that_were_for_the_old_python_are_named():
    _, said = translate("python=3.6.2", "scipy=1.1", {"pip": ["numpy==1.16.2", "requests", "azureml-core==1.0"]})
    assert "scipy=1.1, numpy==1.16.2: pinned" in said
    assert "pinned" not in translate("python=3.11", "scipy=1.1")[1]


def test_the_rest_of_the_file_stays():
    given = {"name": "mine", "channels": ["conda-forge"], "dependencies": ["python=3.11"]}
    before = repr(given)
    assert translate_conda(given, "conda.yml").conda["channels"] == ["conda-forge"]
    assert repr(given) == before
