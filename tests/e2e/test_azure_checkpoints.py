"""Checkpoints, data and results of workers in Azure storage, with adlfs.

In processes of their own: aiohttp reads SSL_CERT_FILE when it is imported, which another test may have done.
"""

import subprocess
import sys
from pathlib import Path

import pytest

CHECKPOINTS = """
import sys
import numpy as np
from kfp_azureml.imagesets.stored_folder import StoredFolder
from kfp_azureml.steps.train.checkpoint import Checkpoints, State

address = sys.argv[1]
writer = Checkpoints(address, {"seed": 1})
assert writer.newest() is None
for steps in range(4):
    writer.write(State(steps, {"epoch": steps}, {"weights": np.full(1 << 20, steps, np.float32)}))
found = Checkpoints(address, {"seed": 1}).newest()
assert (found.steps, found.values) == (3, {"epoch": 3})
assert (found.arrays["weights"] == 3).all()
folder = StoredFolder(address)
names = folder.list_files()
assert len(names) == 2
folder.write(names[-1], folder.read(names[-1])[:-1])
assert Checkpoints(address, {"seed": 1}).newest().steps == 2
"""

COPY = """
import sys
from pathlib import Path
from kfp_azureml.imagesets.stored_folder import StoredFolder

address, here, back = sys.argv[1:]
StoredFolder(address).upload(Path(here))
StoredFolder(address).download(Path(back))
"""


@pytest.fixture(scope="module")
def address(client) -> str:
    store = client.datastores.get_default()
    return f"abfss://{store.container_name}@{store.account_name}.dfs.core.windows.net/training 1"


def run(program: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_checkpoints_are_written_found_and_removed(address: str) -> None:
    assert "incomplete or corrupted" in run(CHECKPOINTS, f"{address}/state")


def test_folders_are_copied_there_and_back(address: str, tmp_path: Path) -> None:
    here, back = tmp_path / "here", tmp_path / "back"
    (here / "inner").mkdir(parents=True)
    (here / "inner" / "x").write_text("1")
    (here / "y").write_bytes(bytes(5 << 20))
    run(COPY, f"{address}/output", str(here), str(back))
    assert (back / "inner" / "x").read_text() == "1"
    assert (back / "y").read_bytes() == bytes(5 << 20)
