"""Checkpoints: whole or not at all, the newest good one, of the same training only."""

from __future__ import annotations

import io
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from kfp_azureml.imagesets.stored_folder import StoredFolder
from kfp_azureml.runtime.errors import OutputError, TrainingError
from kfp_azureml.steps.train.checkpoint import KEPT, Checkpoints, State

MADE_WITH = {"epochs": 3, "images": [60000, [28, 28, 1]], "learning_rate": 0.1}


def state(steps: int) -> State:
    return State(steps, {"epoch": 2, "name": "ä"}, {"weights": np.full((2, 3), steps, np.float32)})


@pytest.fixture(params=["folder", "file", "memory"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    places = {"folder": f"{tmp_path}/a b", "file": f"file://{tmp_path}/a", "memory": f"memory://{uuid4().hex}/a"}
    return places[str(request.param)]


def test_the_newest_is_read_back(address: str) -> None:
    assert Checkpoints(address, MADE_WITH).newest() is None
    for steps in (9, 10, 11):
        Checkpoints(address, MADE_WITH).write(state(steps))
    found = Checkpoints(address, MADE_WITH).newest()
    assert found is not None
    assert (found.steps, found.values) == (11, {"epoch": 2, "name": "ä"})
    assert found.arrays.keys() == {"weights"}
    assert found.arrays["weights"].dtype == np.float32
    assert (found.arrays["weights"] == 11).all()
    assert len(StoredFolder(address).list_files()) == KEPT


@pytest.mark.parametrize("content", [b"", b"short", None])
def test_a_truncated_or_corrupted_one_is_passed_over(address: str, content: bytes | None) -> None:
    for steps in (1, 2):
        Checkpoints(address, MADE_WITH).write(state(steps))
    folder = StoredFolder(address)
    name = folder.list_files()[-1]
    if content is None:
        content = bytearray(folder.read(name))
        content[len(content) // 2] ^= 1
    folder.write(name, bytes(content))
    found = Checkpoints(address, MADE_WITH).newest()
    assert found is not None
    assert found.steps == 1


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / ".step-1.npz.part").write_bytes(b"killed while writing")
    for steps in range(4):
        Checkpoints(str(tmp_path), MADE_WITH).write(state(steps))
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_one_of_another_training_is_refused_by_what_differs(address: str) -> None:
    Checkpoints(address, MADE_WITH).write(state(1))
    with pytest.raises(TrainingError) as caught:
        Checkpoints(address, {**MADE_WITH, "epochs": 5}).newest()
    assert "epochs 3 instead of epochs 5" in str(caught.value)
    assert "learning_rate" not in str(caught.value)


def test_no_code_is_loaded(tmp_path: Path) -> None:
    """A pickled object in an array is refused, not run."""
    writer = Checkpoints(str(tmp_path), MADE_WITH)
    hostile = State(1, {}, {"weights": np.array([Path("x")], dtype=object)})
    writer.write(hostile)
    with pytest.raises(OutputError, match="not a checkpoint"):
        Checkpoints(str(tmp_path), MADE_WITH).newest()


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    import hashlib

    stream = io.BytesIO()
    np.savez(stream, something=np.zeros(1))
    digest = hashlib.sha256(stream.getvalue()).hexdigest()
    (tmp_path / f"step-000000000001.{digest}.npz").write_bytes(stream.getvalue())
    with pytest.raises(OutputError, match="not a checkpoint of this version"):
        Checkpoints(str(tmp_path), MADE_WITH).newest()


def test_only_the_first_failure_to_write_ends_the_training(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OutputError, match="cannot be"):
        Checkpoints(str(tmp_path / "file"), MADE_WITH).write(state(1))
    writer = Checkpoints(str(tmp_path / "folder"), MADE_WITH)
    writer.write(state(1))
    (tmp_path / "folder").rename(tmp_path / "gone")
    (tmp_path / "folder").write_text("in the way")
    writer.write(state(2))
    assert "training goes on" in caplog.text
