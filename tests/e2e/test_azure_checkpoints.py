"""Checkpoints, data and results of workers in Azure storage, with adlfs."""

from pathlib import Path

import numpy as np
import pytest

from kfp_azureml.imagesets.stored_folder import StoredFolder
from kfp_azureml.steps.train.checkpoint import Checkpoints, State


@pytest.fixture(scope="module")
def address(client):
    store = client.datastores.get_default()
    return f"abfss://{store.container_name}@{store.account_name}.dfs.core.windows.net/training 1"


def test_checkpoints_are_written_found_and_removed(address, caplog):
    writer = Checkpoints(f"{address}/state", {"seed": 1})
    assert writer.newest() is None
    for steps in range(4):
        writer.write(State(steps, {"epoch": steps}, {"weights": np.full(1 << 20, steps, np.float32)}))
    found = Checkpoints(f"{address}/state", {"seed": 1}).newest()
    assert (found.steps, found.values) == (3, {"epoch": 3})
    assert (found.arrays["weights"] == 3).all()
    folder = StoredFolder(f"{address}/state")
    names = folder.list_files()
    assert len(names) == 2
    folder.write(names[-1], folder.read(names[-1])[:-1])
    assert Checkpoints(f"{address}/state", {"seed": 1}).newest().steps == 2
    assert "incomplete or corrupted" in caplog.text


def test_folders_are_copied_there_and_back(address: str, tmp_path: Path):
    here, back = tmp_path / "here", tmp_path / "back"
    (here / "inner").mkdir(parents=True)
    (here / "inner" / "x").write_text("1")
    (here / "y").write_bytes(bytes(5 << 20))
    StoredFolder(f"{address}/output").upload(here)
    StoredFolder(f"{address}/output").download(back)
    assert (back / "inner" / "x").read_text() == "1"
    assert (back / "y").read_bytes() == bytes(5 << 20)
