"""A measurement: rows of the table that are measured together."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.context import REPOSITORY, Context
from bench.row import Row

EVERYWHERE = (
    "bench/*.py",
    "requirements/dev.txt",
    "requirements/bench.txt",
    "components/kfp_azureml/*.py",
    "components/kfp_azureml/steps/*.py",
)
"""Input files of all measurements."""


@dataclass(frozen=True)
class Measurement:
    """Rows that are measured together.

    Attributes:
        name: Name for `ONLY`.
        measure: Function that measures the rows.
        inputs: Glob patterns of input files, relative to the repository, in addition to `EVERYWHERE`.
    """

    name: str
    measure: Callable[[Context], list[Row]]
    inputs: tuple[str, ...]

    def input_hash(self, root: Path = REPOSITORY) -> str:
        """Return one sha256 over all input files."""
        digest = hashlib.sha256()
        for path in _files(root, (*EVERYWHERE, *self.inputs)):
            digest.update(f"{path.relative_to(root)}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()


def _files(root: Path, patterns: Iterable[str]) -> list[Path]:
    found = {path for pattern in patterns for path in root.glob(pattern)}
    return sorted(path for path in found if path.is_file() and "__pycache__" not in path.parts)
