"""Checkpoints: whole or not at all, the newest good one, of the same training only."""

from __future__ import annotations

import hashlib
import io
import json
import os
import resource
import signal
import zipfile
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from numpy.typing import NDArray

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


def put(folder: Path, content: bytes, steps: int = 1) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"step-{steps:012d}.{hashlib.sha256(content).hexdigest()}.npz"
    path.write_bytes(content)
    return path


def npz(**arrays: object) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def text(value: object) -> NDArray[np.uint8]:
    return np.frombuffer(json.dumps(value).encode(), np.uint8)


def bomb() -> bytes:
    """Return an archive that is 1000 times larger when it is read."""
    stream = io.BytesIO()
    np.savez_compressed(stream, values=text({}), made_with=text(MADE_WITH), **{"array x": np.zeros(1 << 25, np.uint8)})
    return stream.getvalue()


def lying_header() -> bytes:
    """Return an archive with an array of 4 EB, of which there are no data."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, value in (("values", text({})), ("made_with", text(MADE_WITH))):
            with archive.open(f"{name}.npy", "w") as entry:
                np.save(entry, value)
        with archive.open("array x.npy", "w") as entry:
            header = {"descr": "<f4", "fortran_order": False, "shape": (1 << 60,)}
            np.lib.format.write_array_header_1_0(entry, header)  # type: ignore[no-untyped-call]
    return stream.getvalue()


def plain_array() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.zeros(3))
    return stream.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        npz(something=np.zeros(1)),
        npz(values=text([1]), made_with=text(MADE_WITH)),
        npz(values=text({}), made_with=text(5)),
        npz(values=np.frombuffer(b"[" * 200_000, np.uint8), made_with=text(MADE_WITH)),
        plain_array(),
        plain_array() + npz(values=text({}), made_with=text(MADE_WITH)),
        bomb(),
        lying_header(),
    ],
    ids=["others", "list", "number", "deep", "npy", "npy-and-zip", "bomb", "header"],
)
def test_a_file_that_is_not_a_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    put(tmp_path, content)
    with pytest.raises(OutputError, match="not a checkpoint of this version"):
        Checkpoints(str(tmp_path), MADE_WITH).newest()


def test_links_and_pipes_in_the_folder_are_not_followed(tmp_path: Path) -> None:
    Checkpoints(str(tmp_path / "other"), MADE_WITH).write(state(8))
    (foreign,) = (tmp_path / "other").iterdir()
    folder = tmp_path / "mine"
    Checkpoints(str(folder), MADE_WITH).write(state(1))
    (folder / foreign.name).symlink_to(foreign)
    os.mkfifo(folder / f"step-{9:012d}.{'0' * 64}.npz")
    found = Checkpoints(str(folder), MADE_WITH).newest()
    assert found is not None
    assert found.steps == 1


def test_a_link_in_place_of_the_file_being_written_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / ".name.part").symlink_to(tmp_path / "victim")
    StoredFolder(str(tmp_path / "state")).write("name", b"x")
    assert (tmp_path / "victim").read_text() == "mine"
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["name"]


def test_what_a_killed_writer_left_is_deleted(tmp_path: Path) -> None:
    left = put(tmp_path, b"half")
    left.rename(left.with_name(f".{left.name}.part"))
    (tmp_path / ".notes.txt.part").write_text("mine")
    Checkpoints(str(tmp_path), MADE_WITH).newest()
    assert [path.name for path in tmp_path.iterdir()] == [".notes.txt.part"]


def test_a_full_disk_keeps_nothing_of_a_file_that_does_not_fit(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writer = Checkpoints(str(tmp_path), MADE_WITH)
    writer.write(state(1))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        writer.write(State(2, {}, {"weights": np.zeros(10_000)}))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert "training goes on" in caplog.text
    assert [path.name[:17] for path in tmp_path.iterdir()] == ["step-000000000001"]


def test_two_trainings_in_one_folder_are_told(address: str, caplog: pytest.LogCaptureFixture) -> None:
    fast, slow = Checkpoints(address, {**MADE_WITH, "seed": 1}), Checkpoints(address, {**MADE_WITH, "seed": 2})
    fast.write(state(1))
    for steps in (10, 20):
        fast.write(state(steps))
    assert "another training" not in caplog.text
    slow.write(state(1))
    assert "another training writes there too" in caplog.text


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


@pytest.mark.parametrize("values", [{}, {"epoch": "x"}, {"epoch": 1, "step": 0, "seconds": 0, "history": [{"a": 1}]}])
def test_a_state_of_another_version_is_refused(tmp_path: Path, values: dict[str, object]) -> None:
    from kfp_azureml.steps.train.best_epoch import BestEpoch
    from kfp_azureml.steps.train.collectives import Workers
    from kfp_azureml.steps.train.resuming import Generators, Resuming

    checkpoints = Checkpoints(str(tmp_path), MADE_WITH)
    checkpoints.write(State(1, values))
    with pytest.raises(OutputError, match="not a checkpoint of this version"):
        Resuming(Generators(1, Workers()), Workers(), BestEpoch(1), checkpoints)


def test_no_variable_of_the_network_is_left_out(tmp_path: Path) -> None:
    import keras

    from kfp_azureml.steps.train.best_epoch import BestEpoch
    from kfp_azureml.steps.train.collectives import Workers
    from kfp_azureml.steps.train.resuming import MODEL, Generators, Resuming

    checkpoints = Checkpoints(str(tmp_path), MADE_WITH)
    values = {"epoch": 1, "step": 0, "seconds": 0.0, "history": [], "best": None}
    checkpoints.write(State(1, values, {"model 0": np.zeros(2, np.float32)}))
    resuming = Resuming(Generators(1, Workers()), Workers(), BestEpoch(1), checkpoints)
    resuming.restore({MODEL: [keras.Variable(np.ones(2, np.float32))]})
    for shape in ((2,), (3,)):
        variables = [keras.Variable(np.ones(shape, np.float32)) for _ in shape * 2]
        with pytest.raises(OutputError, match="not a checkpoint of this version"):
            resuming.restore({MODEL: variables})
