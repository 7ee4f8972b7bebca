"""The files of a folder, compared with those that azure-ai-ml would upload."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from azure.ai.ml._utils._asset_utils import get_upload_files_from_folder

from kfp_azureml.models.model_folder import hash_files
from kfp_azureml.runtime.errors import ModelError
from kfp_azureml.runtime.folder_files import files_below


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "weights.bin").write_bytes(b"weights")
    (tmp_path / "shared" / "variables" / "more").mkdir(parents=True)
    (tmp_path / "shared" / "variables" / "one").write_bytes(b"1")
    (tmp_path / "shared" / "variables" / "more" / "two").write_bytes(b"2")
    return folder


def link_folder(model: Path) -> None:
    (model / "variables").symlink_to("../shared/variables")


def link_absolute_folder(model: Path) -> None:
    (model / "variables").symlink_to(model.parent / "shared" / "variables", target_is_directory=True)


def link_file(model: Path) -> None:
    (model / "one").symlink_to("../shared/variables/one")


def link_twice(model: Path) -> None:
    """The same folder under two names is no loop."""
    (model / "a").symlink_to("../shared")
    (model / "b").symlink_to("a/variables")


def link_a_folder_of_links(model: Path) -> None:
    (model.parent / "shared" / "again").symlink_to("variables")
    (model / "all").symlink_to("../shared")


@pytest.mark.parametrize("link", [link_folder, link_absolute_folder, link_file, link_twice, link_a_folder_of_links])
def test_links_are_followed_as_azure_ai_ml_does(model: Path, link: Callable[[Path], None]) -> None:
    link(model)
    found = files_below(model)
    assert list(found) == sorted(found, key=lambda name: Path(name).parts)
    uploaded = {str(name): Path(path) for path, name in get_upload_files_from_folder(model)}
    assert {name: path.resolve() for name, path in found.items()} == {k: v.resolve() for k, v in uploaded.items()}
    # What is hashed is the content, whether it lies there or is linked.
    shutil.copytree(model, model.parent / "copy")
    assert hash_files(model) == hash_files(model.parent / "copy")


def test_the_folder_itself_may_be_a_link(model: Path, tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to("model")
    assert hash_files(tmp_path / "latest") == hash_files(model)


def dangling(model: Path) -> str:
    (model / "weights.bin").symlink_to("gone")
    return "weights.bin: broken link to gone"


def dangling_folder_deep(model: Path) -> str:
    (model / "deep" / "data").symlink_to("../../nowhere/data")
    return "deep/data: broken link to ../../nowhere/data"


def loop_to_itself(model: Path) -> str:
    (model / "deep" / "self").symlink_to(".")
    return "deep/self: link to ., one of its parent folders"


def loop_to_the_top(model: Path) -> str:
    (model / "deep" / "up").symlink_to("../../model")
    return "deep/up: link to ../../model, one of its parent folders"


def loop_of_two(model: Path) -> str:
    (model / "a").mkdir()
    (model / "b").mkdir()
    (model / "a" / "to_b").symlink_to("../b")
    (model / "b" / "to_a").symlink_to("../a")
    return "a/to_b/to_a: link to ../a, one of its parent folders"


def loop_of_names(model: Path) -> str:
    (model / "x").symlink_to("y")
    (model / "y").symlink_to("x")
    return "x: broken link to y"


def pipe(model: Path) -> str:
    os.mkfifo(model / "pipe")
    return "pipe: neither a file nor a folder"


def odd_name(model: Path) -> str:
    (model / os.fsdecode(b"a\xff")).touch()
    return ": file name 'a\\udcff' is not UTF-8"


@pytest.mark.parametrize(
    "make",
    [
        dangling,
        dangling_folder_deep,
        loop_to_itself,
        loop_to_the_top,
        loop_of_two,
        loop_of_names,
        pipe,
        odd_name,
    ],
)
def test_a_dead_end_is_one_line(model: Path, make: Callable[[Path], str]) -> None:
    said = make(model)
    with pytest.raises(ModelError) as refused:
        hash_files(model)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_no_folder_has_no_files(tmp_path: Path) -> None:
    assert files_below(tmp_path / "none") == {}
