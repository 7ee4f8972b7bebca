"""Checkpoints of a training: its whole state in one file, in a folder of any kind.

A checkpoint is a NumPy file, `step-NUMBER.SHA256.npz`, without pickled objects. The hash of its content in its name
shows a truncated or corrupted one, instead of which the one before is read.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kfp_azureml.imagesets.stored_folder import StoredFolder
from kfp_azureml.runtime.errors import OutputError, TrainingError

KEPT = 2
"""Number of checkpoints that are kept."""
_NAME = re.compile(r"step-(?P<number>[0-9]{12})\.(?P<sha256>[0-9a-f]{64})\.npz")
_OF_CONTENT = (ValueError, LookupError, TypeError, AttributeError, OSError, EOFError, RuntimeError, MemoryError)
_VALUES, _MADE_WITH = "values", "made_with"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class State:
    """The state of a training between two steps.

    Attributes:
        steps: Number of steps taken since the beginning.
        values: Numbers and texts, as JSON writes them.
        arrays: Arrays by name.
    """

    steps: int
    values: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)


class Checkpoints:
    """The checkpoints of one training."""

    def __init__(self, address: str, made_with: Mapping[str, Any], use_azure_credentials: bool = True) -> None:
        """Connect to the folder.

        Args:
            address: Path or URI of a folder, which need not exist; see `StoredFolder`.
            made_with: What determines the weights: settings, network and data, as JSON writes them. It has to be the
                same for all checkpoints in the folder.
            use_azure_credentials: See `StoredFolder`.

        Raises:
            OutputError: If the address is not of a folder.
        """
        self._folder = StoredFolder(address, use_azure_credentials)
        self._made_with = dict(made_with)
        self._has_written = False

    def newest(self) -> State | None:
        """Return the state in the newest complete checkpoint; None if there is none.

        Raises:
            OutputError: If the folder cannot be read, or the newest one is not of this version.
            TrainingError: If it was made with something else.
        """
        self._folder.delete_parts(_NAME)
        for name in reversed(self._names()):
            try:
                content = self._folder.read(name)
            except OutputError:
                if name in self._names():
                    raise
                continue  # deleted meanwhile by its writer
            if hashlib.sha256(content).hexdigest() == _NAME.fullmatch(name)["sha256"]:  # type: ignore[index]
                return self._parse(name, content)
            logger.warning("%s/%s is incomplete or corrupted; using the one before", self._folder.uri, name)
        return None

    def write(self, state: State) -> None:
        """Write a checkpoint and delete old ones.

        Raises:
            OutputError: If the first one of this process cannot be written; later failures are logged as warnings.
        """
        try:
            content = self._content(state)
            name = f"step-{state.steps:012d}.{hashlib.sha256(content).hexdigest()}.npz"
            self._folder.write(name, content)
            names = self._names()
            for old in names[:-KEPT]:
                self._folder.delete(old)
            if name not in names[-KEPT:]:
                logger.warning("%s: another training writes there too: give each its own folder", self._folder.uri)
        except OutputError as error:
            if not self._has_written:
                raise
            logger.warning("%s; training goes on", error)
        self._has_written = True

    @contextmanager
    def reading(self, name: str = "") -> Iterator[None]:
        """Replace errors of a file that is not a checkpoint of this version."""
        try:
            yield
        except (*_OF_CONTENT, zipfile.BadZipFile) as error:
            where = f"{self._folder.uri}/{name}".rstrip("/")
            raise OutputError(f"{where}: not a checkpoint of this version: choose another folder") from error

    def _names(self) -> list[str]:
        return [name for name in self._folder.list_files() if _NAME.fullmatch(name)]

    def _content(self, state: State) -> bytes:
        stream = io.BytesIO()
        texts = {_VALUES: state.values, _MADE_WITH: self._made_with}
        entries: dict[str, Any] = {
            **{name: np.frombuffer(json.dumps(text).encode(), np.uint8) for name, text in texts.items()},
            **{f"array {name}": array for name, array in state.arrays.items()},
        }
        np.savez(stream, **entries)
        return stream.getvalue()

    def _parse(self, name: str, content: bytes) -> State:
        with self.reading(name):
            _check_sizes(content)
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                values, made_with = (dict(json.loads(file[key].tobytes())) for key in (_VALUES, _MADE_WITH))
                arrays = {key.removeprefix("array "): file[key] for key in file.files if key.startswith("array ")}
        wanted = json.loads(json.dumps(self._made_with))
        if different := [key for key in sorted({*wanted, *made_with}) if made_with.get(key) != wanted.get(key)]:
            before = ", ".join(f"{key} {_short(made_with.get(key))}" for key in different)
            now = ", ".join(f"{key} {_short(wanted.get(key))}" for key in different)
            raise TrainingError(
                f"checkpoint {self._folder.uri}: it is of another training: {before} instead of {now}: "
                "use the same again, or another folder"
            )
        return State(int(_NAME.fullmatch(name)["number"]), values, arrays)  # type: ignore[index]


def _check_sizes(content: bytes) -> None:
    """Raise BadZipFile for a file that would fill more memory than it has bytes."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
    if any(each.compress_type for each in entries) or sum(each.file_size for each in entries) > len(content):
        raise zipfile.BadZipFile("compressed, or entries overlap")


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
