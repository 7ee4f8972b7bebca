"""A collection of encoded images with their classes, whatever form it has."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from kfp_azureml.imagesets.preprocessing import BadImageError
from kfp_azureml.imagesets.source import ABSENT_STATUSES, REFUSED_STATUS, Source, without_secrets
from kfp_azureml.runtime.errors import DataError, first_line

Subset = Literal["train", "test"]

MAX_FILE_BYTES = 256 << 20
"""Maximum size of an encoded image."""

FIRST_READ_BYTES = 128 << 10

_JUNK = re.compile(r"\..*|thumbs\.db|ehthumbs.*\.db|desktop\.ini|__MACOSX|@eaDir", re.IGNORECASE)
_SUBSETS: dict[str, Subset] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("test", "testing", "val", "valid", "validation"), "test"),
}


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """An encoded image of a collection.

    Attributes:
        name: Path in the collection, or a URI; the split depends on it.
        label: Name of its class.
        subset: Its side; None if the collection has only one.
    """

    name: str
    label: str
    subset: Subset | None


@dataclass(frozen=True, slots=True)
class BadImage:
    """A file that cannot be used, with the reason."""

    name: str
    reason: str


@dataclass(frozen=True)
class Collection:
    """Encoded images with their classes.

    Attributes:
        uri: Address of the collection in messages.
        found: What it is, a noun phrase, such as `class folders in train and test`.
        images: The images, in any order.
        read: Returns the bytes of an image by its name; raises `BadImageError` if it cannot be read.
        bad: Files that cannot be used, found before any image was read.
        classes: All class names in label order; None if the images' labels are all there is.
        raw_shape: (height, width, channels) if `read` returns raw pixels, not encoded images.
        root: Folder around all images, which does not count as a part of their names.
    """

    uri: str
    found: str
    images: list[LabelledImage]
    read: Callable[[str], bytes]
    bad: tuple[BadImage, ...] = ()
    classes: tuple[str, ...] | None = None
    raw_shape: tuple[int, int, int] | None = None
    root: str = ""


def shown_name(name: str) -> str:
    """Return an image's name for messages; an address without its query, which may be a signature."""
    return without_secrets(name) if "://" in name else name


def is_junk(name: str) -> bool:
    """Return whether a file or folder is hidden, or written by an operating system beside the images."""
    return bool(_JUNK.fullmatch(name))


def subset_named(name: str) -> Subset | None:
    """Return the subset that a folder, a file or a table's column names; None if it is neither.

    A validation set is a test set where there is no other.
    """
    return _SUBSETS.get(name.lower())


def is_validation(name: str) -> bool:
    """Return whether a name is one of a validation set."""
    return name.lower().startswith("val")


def list_entries(source: Source, folder: str) -> dict[str, bool]:
    """Return the names in a folder that are no junk, and whether each is a folder.

    Raises:
        DataError: If it cannot be listed.
    """
    try:
        listed = source.list_folder(folder)
    except source.failures as error:
        where = f"{source.uri}/{folder}" if folder else source.uri
        raise DataError(
            f"{where}: cannot be listed: {getattr(error, 'strerror', None) or first_line(error)}"
        ) from error
    return {name: is_folder for name, is_folder in listed.items() if not is_junk(name)}


def reader_of(source: Source) -> Callable[[str], bytes]:
    """Return a function that reads an image of a folder by its path."""

    def read(path: str) -> bytes:
        try:
            with source.open_raw(path) as stream:
                return read_limited(stream)
        except DataError as error:  # a broken link
            raise BadImageError(str(error).removeprefix(f"{source.uri}/{path}: ")) from error
        except source.failures as error:
            status = getattr(error, "status_code", None) or getattr(error, "code", None)
            refused = isinstance(error, FileNotFoundError | PermissionError) or status in (
                *ABSENT_STATUSES,
                REFUSED_STATUS,
            )
            if not source.is_local and not refused:
                # A network failure says nothing about the image.
                raise DataError(f"{source.uri}/{path}: cannot be read: {error}") from error
            raise BadImageError(f"cannot be read ({getattr(error, 'strerror', None) or error})") from error

    return read


def read_limited(stream: object) -> bytes:
    """Return all bytes of a stream.

    Raises:
        BadImageError: If there are more than `MAX_FILE_BYTES`.
    """
    parts, size = [], 0
    # A file reads into a new buffer of the size asked for, so large ones cost more than most images have.
    while part := stream.read(max(FIRST_READ_BYTES, size)):  # type: ignore[attr-defined]
        parts.append(part)
        size += len(part)
        if size > MAX_FILE_BYTES:
            raise BadImageError(f"larger than {MAX_FILE_BYTES >> 20} MiB")
    return b"".join(parts)
