"""A partial download's folder that somebody else prepared."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kfp_azureml.azureml.model_download.partial_folder import partial_folder
from kfp_azureml.azureml.waiting import Deadline
from kfp_azureml.runtime.errors import OutputError

NOBODY = 65534


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    file = tmp_path / "home" / "precious"
    file.parent.mkdir()
    file.write_text("mine")
    return file


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_another_users_folder_is_refused(tmp_path, precious):
    folder = tmp_path / ".model.download"
    folder.mkdir()
    (folder / "files").symlink_to(precious.parent)
    os.chown(folder, NOBODY, NOBODY)

    with (
        pytest.raises(OutputError, match=r"\.model\.download belongs to another user: delete it, or choose another"),
        partial_folder(tmp_path / "model", Deadline(5, look_at="")) as partial,
    ):
        partial.keep_only("id", {})

    assert precious.read_text() == "mine"


def test_a_link_is_not_followed(tmp_path, precious):
    (tmp_path / ".model.download").symlink_to(precious.parent)

    with pytest.raises(OutputError, match="cannot write"), partial_folder(tmp_path / "model", Deadline(5, look_at="")):
        pass

    assert list(precious.parent.iterdir()) == [precious]


def test_only_its_owner_can_put_something_into_it(tmp_path):
    previous = os.umask(0)
    try:
        with partial_folder(tmp_path / "model", Deadline(5, look_at="")) as partial:
            assert partial.folder.stat().st_mode & 0o777 == 0o700
    finally:
        os.umask(previous)
