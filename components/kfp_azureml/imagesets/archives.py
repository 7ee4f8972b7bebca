"""Read the files of zip and tar archives."""

from __future__ import annotations

import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kfp_azureml.imagesets.packed_files import PackedFiles, packed_files, seekable
from kfp_azureml.imagesets.source import Source
from kfp_azureml.runtime.errors import DataError, first_line

_ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")

FREE_BYTES = 1 << 30
MAX_RATIO = 200
"""An archive may unpack to `FREE_BYTES`, and beyond that to so many times its own size."""

MAX_HEADER_BYTES = 1 << 20
"""Maximum size of what tar has before a member, such as a long name: it is read into memory."""

_DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, NotImplementedError, RuntimeError, UnicodeError, ValueError),
)


def archive_stem(name: str) -> str:
    """Return an archive's name without its ending."""
    return next(name[: -len(ending)] for ending in _ENDINGS if name.lower().endswith(ending))


@contextmanager
def open_archives(source: Source, folder_of: dict[str, str], scratch: Path) -> Iterator[Source]:
    """Yield the files of one or several archives as a folder.

    Args:
        source: Where the archives are.
        folder_of: The folder for the files of each archive, by the archive's name; may be empty.
        scratch: Folder for a temporary file with all of them.

    Raises:
        DataError: If an archive is damaged or encrypted, contains links or names that lead outside, or unpacks to an
            unreasonable size.
    """
    uri = f"{source.uri}/{next(iter(folder_of))}" if len(folder_of) == 1 else source.uri
    with packed_files(uri, scratch) as packed:
        for name, folder in folder_of.items():
            _unpack(source, name, folder, packed, scratch)
        packed.finish()
        yield packed.source()


def _unpack(source: Source, name: str, folder: str, packed: PackedFiles, scratch: Path) -> None:
    uri = f"{source.uri}/{name}"
    try:
        with source.open_raw(name) as raw:
            unpack = _unpack_zip if name.lower().endswith(".zip") else _unpack_tar
            unpack(uri, raw, f"{folder}/" if folder else "", packed, scratch)
    except DataError:
        raise
    except _DAMAGED as error:
        raise DataError(f"{uri}: not an archive, or damaged ({first_line(error)})") from error
    except source.failures as error:
        raise DataError(f"{uri}: cannot be read: {first_line(error)}") from error


def _unpack_zip(uri: str, raw: Any, folder: str, packed: PackedFiles, scratch: Path) -> None:
    with seekable(raw, scratch) as stream, zipfile.ZipFile(stream) as archive:
        stream.seek(0, 2)
        size = stream.tell()
        check = size_check(uri, lambda: size)
        for member in archive.infolist():
            if member.is_dir():
                continue
            if member.flag_bits & 1:
                raise DataError(f"{uri}: {member.filename} is encrypted: unpack the archive")
            with archive.open(member) as content:
                packed.add(_inside(uri, member.filename, folder), content, check)


def _unpack_tar(uri: str, raw: Any, folder: str, packed: PackedFiles, scratch: Path) -> None:  # noqa: ARG001
    counted = _Counted(raw)
    check = size_check(uri, lambda: counted.size)
    with tarfile.open(fileobj=counted, mode="r|*", tarinfo=_Member) as archive:  # type: ignore[call-overload]
        for member in archive:
            if member.isdir():
                continue
            content = archive.extractfile(member) if member.isreg() else None
            if content is None:
                raise DataError(f"{uri}: {member.name} is a link or a device: pack the files themselves")
            packed.add(_inside(uri, member.name, folder), content, check)


def _inside(uri: str, name: str, folder: str) -> str:
    if name.startswith(("/", "\\")):
        raise DataError(f"{uri}: file name {name!r} leads outside of the archive")
    return folder + name


def size_check(uri: str, compressed: Callable[[], int]) -> Callable[[int], None]:
    """Return a function that adds up unpacked bytes, and fails at too many for the archive's size."""
    total = 0

    def check(count: int) -> None:
        nonlocal total
        total += count
        if total > FREE_BYTES + MAX_RATIO * compressed():
            raise DataError(f"{uri}: unpacks to more than {MAX_RATIO} times its size: a decompression bomb?")

    return check


class _Member(tarfile.TarInfo):
    """A member of a tar archive with a limited header."""

    def _proc_member(self, tarfile: Any) -> Any:
        """Process a header; the hook of tarfile for other types."""
        if not self.isreg() and self.size > MAX_HEADER_BYTES:
            raise ValueError(f"a header of {self.size:,} bytes")
        return super()._proc_member(tarfile)  # type: ignore[misc]


class _Counted:
    """A stream that counts what was read."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self.size = 0

    def read(self, size: int) -> bytes:
        data: bytes = self._raw.read(size) or b""
        self.size += len(data)
        return data
