"""Run `training_child` in processes, alone or as workers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

CHILD = Path(__file__).with_name("training_child.py")
WAIT_SECONDS = 300
Weights = dict[str, NDArray[Any]]


def command(data: Path, weights: Path, settings: Mapping[str, Any]) -> list[str]:
    return [sys.executable, str(CHILD), str(data), str(weights), json.dumps(settings)]


@contextmanager
def training(data: Path, weights: Path, settings: Mapping[str, Any]) -> Iterator[subprocess.Popen[bytes]]:
    """Start a training; it is gone when the block ends."""
    child = subprocess.Popen(command(data, weights, settings), env=dict(os.environ))
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def finished(data: Path, weights: Path, settings: Mapping[str, Any]) -> Weights:
    """Run a training to its end and return its weights, its history and its time."""
    subprocess.run(command(data, weights, settings), check=True, timeout=WAIT_SECONDS)
    return read(weights, 0)


def read(weights: Path, rank: int) -> Weights:
    """Return what a worker wrote."""
    with np.load(f"{weights}.{rank}.npz") as file:
        return dict(file)


def wait_for_checkpoint(child: subprocess.Popen[bytes], folder: Path, besides: frozenset[str] = frozenset()) -> None:
    """Wait until a training has written another checkpoint."""
    limit = time.monotonic() + WAIT_SECONDS
    while {path.name for path in folder.glob("*.npz")} <= besides and child.poll() is None:
        assert time.monotonic() < limit
        time.sleep(0.01)
