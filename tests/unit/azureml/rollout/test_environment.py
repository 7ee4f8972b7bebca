import sys
from itertools import pairwise

import pytest

from kfp_azureml.azureml.rollout.environment import BASE_IMAGE, SERVING_FOLDER, custom_recipe, serving_recipe
from kfp_azureml.runtime.errors import DeploymentError


def test_our_environment_has_this_interpreters_python_and_pins_everything():
    conda = serving_recipe().conda
    assert f"python={sys.version_info.major}.{sys.version_info.minor}" in conda["dependencies"]
    (pip,) = [package for package in conda["dependencies"] if isinstance(package, dict)]
    assert all("==" in requirement for requirement in pip["pip"])


def test_the_version_is_the_content(tmp_path):
    same = {serving_recipe().version, serving_recipe().version, serving_recipe(BASE_IMAGE).version}
    assert same == {serving_recipe().version}
    assert serving_recipe("another/image").version not in same
    assert serving_recipe().reference == f"kfp-azureml-serving:{serving_recipe().version}"


def test_a_conda_file_of_the_users_or_an_image_alone():
    recipe = custom_recipe(SERVING_FOLDER / "conda.yaml", "")
    assert recipe.image == BASE_IMAGE
    assert recipe.conda["name"] == "kfp-azureml-serving"
    assert custom_recipe(None, "my/image").conda is None


@pytest.mark.parametrize("text", [None, "a: [", "just text", "name: x", "x: 2024-99-99", "[" * 2000])
def test_what_is_no_conda_file_is_refused(tmp_path, text):
    path = tmp_path / "conda.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DeploymentError, match=r"conda file .*conda\.yaml"):
        custom_recipe(path, "")


BOMB = "a: &a {x: 1}\n" + "".join(
    f"{name}: &{name} {{<<: [{', '.join([f'*{before}'] * 9)}]}}\n" for before, name in pairwise("abcdefghijk")
)


@pytest.mark.parametrize("text", ["dependencies: &a [*a]\n", f"{BOMB}dependencies: [python=3.11]\n"])
def test_references_in_a_conda_file_are_refused_before_they_are_resolved(tmp_path, text):
    (tmp_path / "conda.yaml").write_text(text)
    with pytest.raises(DeploymentError, match=r"conda\.yaml: has references of YAML \(\*NAME\): write out what"):
        custom_recipe(tmp_path / "conda.yaml", "")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_conda_file_of_windows_is_read(tmp_path, encoding):
    text = (SERVING_FOLDER / "conda.yaml").read_text()
    (tmp_path / "conda.yaml").write_bytes(text.replace("\n", "\r\n").encode(encoding))
    assert custom_recipe(tmp_path / "conda.yaml", "") == custom_recipe(SERVING_FOLDER / "conda.yaml", "")
