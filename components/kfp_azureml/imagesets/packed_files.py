"""Files in one temporary file, as a folder that can be read in any order.

Members of archives and images inside tables are put there: nothing is unpacked under a foreign name, so no name can
lead outside, collide or be too long.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfp_azureml.imagesets.collection import is_junk
from kfp_azureml.imagesets.source import Source
from kfp_azureml.runtime.errors import DataError, OutputError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

COPY_BYTES = 1 << 20

MAX_NAME = 4096
"""Maximum length of a file's path, that of Linux."""

MAX_DEPTH = 32
"""Maximum number of folders around a file: the path of each is kept, so a few names could fill the memory."""


class PackedFiles:
    """Files in one temporary file.

    Args:
        uri: Address in messages of what they come from.
        file: The open temporary file.
    """

    def __init__(self, uri: str, file: io.BufferedRandom) -> None:
        self._uri = uri
        self._file = file
        self._places: dict[str, tuple[int, int]] = {}
        self._folders: dict[str, dict[str, bool]] = {"": {}}
        self._end = 0

    def add(self, name: str, stream: Any, check: Callable[[int], None] | None = None) -> None:
        """Add a file, unless an operating system left it there.

        Args:
            name: Its path in the archive.
            stream: Its content.
            check: Called with the number of bytes of each piece before it is written.

        Raises:
            DataError: If its path leads outside.
        """
        path = self._path(name)
        if any(is_junk(part) for part in path.split("/")):
            return
        start = self._end
        while piece := stream.read(COPY_BYTES):
            if check:
                check(len(piece))
            self._write(piece)
        self._note(path, start, self._end - start)

    def add_bytes(self, name: str, data: bytes) -> None:
        """Add a file that is not listed, only read by its name."""
        self._places[name] = (self._end, len(data))
        self._write(data)

    def read(self, name: str) -> bytes:
        """Return the content of a file."""
        start, size = self._places[name]
        return os.pread(self._file.fileno(), size, start)

    def finish(self) -> None:
        """Make what was added readable."""
        with _writing():
            self._file.flush()

    def source(self) -> Source:
        """Return the files as a folder."""
        return Source(self._uri, self._open, self._list, (OSError,), is_local=True)

    def _write(self, data: bytes) -> None:
        with _writing():
            self._file.write(data)
        self._end += len(data)

    def _path(self, name: str) -> str:
        parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
        if ".." in parts or name.startswith(("/", "\\")) or not parts:
            raise DataError(f"{self._uri}: file name {name!r} leads outside of the archive")
        if len(name) > MAX_NAME or len(parts) > MAX_DEPTH + 1:
            raise DataError(
                f"{self._uri}: file name {name[:60]!r}... has {len(name):,} characters and {len(parts) - 1:,} folders; "
                f"at most {MAX_NAME:,} and {MAX_DEPTH} are supported"
            )
        return "/".join(parts)

    def _note(self, path: str, start: int, size: int) -> None:
        self._places[path] = (start, size)
        folder, _, name = path.rpartition("/")
        is_folder = False
        while True:
            entries = self._folders.setdefault(folder, {})
            entries[name] = entries.get(name, False) or is_folder
            if not folder:
                return
            folder, _, name = folder.rpartition("/")
            is_folder = True

    def _open(self, path: str) -> Any:
        if path in self._folders:
            raise IsADirectoryError(f"{path} is a folder")
        if path not in self._places:
            raise FileNotFoundError(f"{path} not found")
        return _Slice(self._file.fileno(), *self._places[path])

    def _list(self, folder: str) -> Mapping[str, bool]:
        return self._folders.get(folder, {})


class _Slice(io.RawIOBase):
    """A part of a file; several can be read at the same time."""

    def __init__(self, descriptor: int, start: int, size: int) -> None:
        self._descriptor = descriptor
        self._start = start
        self._size = size
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        self._place = max(0, base + offset)
        return self._place

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)[: max(0, self._size - self._place)]
        count = os.preadv(self._descriptor, [view], self._start + self._place) if len(view) else 0
        self._place += count
        return count


@contextmanager
def packed_files(uri: str, scratch: Path) -> Iterator[PackedFiles]:
    """Yield a place for files, which is deleted in the end.

    Args:
        uri: Address in messages of what they come from.
        scratch: Folder for the temporary file.
    """
    with _temporary_file(scratch) as file:
        yield PackedFiles(uri, file)


@contextmanager
def seekable(stream: Any, scratch: Path) -> Iterator[Any]:
    """Yield a stream that can be read in any order: itself, or a temporary copy from a web server."""
    if stream.seekable():
        yield stream
        return
    with _temporary_file(scratch) as copy:
        while piece := stream.read(COPY_BYTES):
            with _writing():
                copy.write(piece)
        copy.seek(0)
        yield copy


def _temporary_file(scratch: Path) -> io.BufferedRandom:
    with _writing():
        scratch.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=scratch)


@contextmanager
def _writing() -> Iterator[None]:
    """Raise `OutputError` for an OSError, which would else look like one of the data."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write a temporary file beside the outputs: {error}") from error
