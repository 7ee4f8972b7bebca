"""Outputs are there as a whole or not at all."""

import errno
from pathlib import Path

import pytest

from kfp_azureml.runtime.errors import OutputError
from kfp_azureml.runtime.outputs import atomic_file, atomic_folder


def test_a_folder_appears_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "result"
    with atomic_folder(target) as folder:
        (folder / "a").write_text("a")
        assert not target.exists()
    assert (target / "a").read_text() == "a"
    assert list(target.parent.iterdir()) == [target]


def test_an_empty_folder_may_be_there_already(tmp_path: Path) -> None:
    (tmp_path / "result").mkdir()
    with atomic_folder(tmp_path / "result") as folder:
        (folder / "a").write_text("a")
    assert (tmp_path / "result" / "a").exists()


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_nothing_is_left_of_a_folder_that_failed(tmp_path: Path, failure: type[BaseException]) -> None:
    with pytest.raises(failure), atomic_folder(tmp_path / "result") as folder:
        (folder / "a").write_text("a")
        raise failure
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_in_it_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "result").mkdir()
    (tmp_path / "result" / "old").write_text("old")
    with pytest.raises(OutputError, match="not an empty folder"), atomic_folder(tmp_path / "result"):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["result", "old"]


def test_a_file_that_failed_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    target.write_text("old")
    with pytest.raises(ValueError, match="half"), atomic_file(target) as part:
        part.write_text("new")
        raise ValueError("half")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_is_one_line_that_names_the_result(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match=r"cannot write .*result: .*No space left"),
        atomic_folder(tmp_path / "result"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"), atomic_file(tmp_path / "file" / "result"):
        pass
