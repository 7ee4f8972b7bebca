from __future__ import annotations

import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from azureml_emulator.arm.errors import ArmError
from azureml_emulator.scoring.conda_files import CondaSpec
from azureml_emulator.scoring.curated_environments import find_curated
from azureml_emulator.scoring.interpreters import SERVER, Interpreter, choose_interpreter, provide_interpreter
from azureml_emulator.store import Document, Store

pytestmark = pytest.mark.anyio

PYTHON = Path(sys.executable)
REGISTRY = "azureml://registries/azureml/environments"


async def find_interpreter(environment: Document, local_pythons: dict[str, Path]) -> Interpreter:
    return await provide_interpreter(environment, choose_interpreter(environment, local_pythons))


def environment(**properties: Any) -> Document:
    return {"id": "/ws/environments/train/versions/2", "properties": properties}


@pytest.mark.parametrize("name", ["train:2", "train", "host:5000/an/image:1", "host:5000/an/image", "python3.8"])
async def test_a_local_interpreter_replaces_environment_image_or_python(name: str) -> None:
    asked = environment(image="host:5000/an/image:1", condaFile="dependencies: [python=3.8.5, git]")

    assert (await find_interpreter(asked, {name: PYTHON})).python == PYTHON


@pytest.mark.parametrize("name", ["sklearn-1.5", "AzureML-sklearn-1.5", "AzureML-sklearn-1.5:7"])
async def test_a_local_interpreter_replaces_a_curated_image(store: Store, name: str) -> None:
    curated = find_curated(store, "azureml:AzureML-sklearn-1.5:7")
    assert curated is not None

    assert (await find_interpreter(curated, {name: PYTHON})).python == PYTHON


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (environment(image="an/image"), "train:2 has no conda file, only an image: the emulator runs no images"),
        (environment(build={}), "only a build context"),
        (
            {"id": f"{REGISTRY}/responsibleai-tabular/versions/28", "properties": {}},
            "responsibleai-tabular:28 has no conda file, only a curated image",
        ),
    ],
)
async def test_an_image_that_nothing_stands_in_for_names_the_option(asked: Document, said: str) -> None:
    with pytest.raises(ArmError) as caught:
        await find_interpreter(asked, {"other": PYTHON})

    assert caught.value.code == "ImageBuildFailure"
    assert said in caught.value.message
    assert "--environment-python" in caught.value.message
    assert "\n" not in caught.value.message


@pytest.fixture
def no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give builds an empty cache and no package index."""
    monkeypatch.setenv("AZUREML_EMULATOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))


@pytest.mark.usefixtures("no_network")
async def test_a_python_that_is_not_here_is_one_line_that_names_the_option() -> None:
    with pytest.raises(ArmError) as caught:
        await find_interpreter(environment(condaFile="dependencies: [python=3.6, pip=20.0]"), {})

    assert caught.value.message.startswith("Python 3.6, which the environment asks for, is not on this machine")
    assert "--environment-python python3.6=PYTHON" in caught.value.message
    assert "\n" not in caught.value.message
    assert "conda package pip=20.0" in caught.value.log  # type: ignore[attr-defined]


@pytest.mark.usefixtures("no_network")
async def test_a_curated_image_that_cannot_be_built_names_the_option() -> None:
    curated = {"id": f"{REGISTRY}/sklearn-1.5/versions/1", "properties": {}}

    with pytest.raises(ArmError) as caught:
        await find_interpreter(curated, {})

    assert "--environment-python sklearn-1.5=PYTHON" in caught.value.message.splitlines()[0]
    assert "scikit-learn~=1.5.0" in caught.value.log  # type: ignore[attr-defined]


def test_the_inference_server_needs_a_python_that_it_supports() -> None:
    with pytest.raises(ArmError, match=r"does not support Python 3\.8 .* 3\.9, 3\.10"):
        choose_interpreter(environment(condaFile="dependencies: [python=3.8]"), {}, for_server=True)


def test_a_curated_image_has_the_inference_server() -> None:
    curated = {"id": f"{REGISTRY}/sklearn-1.5/versions/1", "properties": {}}

    chosen = choose_interpreter(curated, {}, for_server=True)

    assert isinstance(chosen, CondaSpec)
    assert SERVER in chosen.requirements


@pytest.mark.usefixtures("no_network")
async def test_an_image_without_packages_needs_no_index(tmp_path: Path) -> None:
    curated = {"id": f"{REGISTRY}/minimal-py311-inference/versions/1", "properties": {}}

    found = await find_interpreter(curated, {})

    assert found.python.stat().st_mode & stat.S_IXUSR
    assert found.python.is_relative_to(tmp_path)
    assert "stands in for the curated image of minimal-py311-inference" in found.notes[0]
