"""Check that the files of code and models are those that were registered."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from azureml_emulator.arm.errors import ArmError
from azureml_emulator.storage.blobs import Blobs
from azureml_emulator.store import Document, Store

HASH_VERSION = "202208"
"""The version of `content_hash` in azure-ai-ml."""
HASH_PROPERTIES = ("hash_sha256", "hash_version")
CHUNK_BYTES = 1 << 20


async def fetch(store: Store, blobs: Blobs, asset: Document, uri: str, parent: Path) -> Path:
    """Copy the files of a registered code asset or model, and check them.

    Args:
        store: Holds the fingerprints from registration.
        blobs: Holds the files.
        asset: A version of a code asset or model.
        uri: Location of its files.
        parent: Folder of the copy; created if needed.

    Returns:
        The copy; see `Blobs.download`.

    Raises:
        ArmError: If nothing is there, or the files have changed since registration.
    """
    registered = asset["properties"]["properties"]
    if _has_hash(registered):
        copy = await blobs.download(uri, parent)
        if content_hash(copy) != registered["hash_sha256"]:
            raise _changed(asset, uri)
        return copy
    recorded = store.get_fingerprint(asset["id"])
    await _compare(blobs, asset, uri, recorded)
    copy = await blobs.download(uri, parent)
    await _compare(blobs, asset, uri, recorded)  # unchanged during the copy
    return copy


async def record(store: Store, blobs: Blobs, asset_id: str, uri: str, registered: Document | None = None) -> None:
    """Record the fingerprint of an asset's files at registration, unless its client gave a hash of them.

    Nothing is recorded for files outside the workspace's blob store: they cannot be run.

    Args:
        store: Holds the fingerprints.
        blobs: Holds the files.
        asset_id: The version's ARM id.
        uri: Location of its files.
        registered: The client's own properties of it, with the hash if it gave one.
    """
    if registered and _has_hash(registered):
        return
    with contextlib.suppress(ArmError):
        store.put_fingerprint(asset_id, await _fingerprint(blobs, uri))


def with_hash_of(registered: Document, changed: Document) -> Document:
    """Return changed properties of a version with the hash that it was registered with, or without any."""
    kept = {name: value for name, value in registered.items() if name in HASH_PROPERTIES}
    return {name: value for name, value in changed.items() if name not in HASH_PROPERTIES} | kept


def _has_hash(registered: Document) -> bool:
    return bool(registered.get("hash_sha256")) and str(registered.get("hash_version")) == HASH_VERSION


def content_hash(folder: Path) -> str:
    """Hash a folder or file as azure-ai-ml does for `hash_sha256` of a code asset.

    Returns:
        Hex SHA-256 of the number of files, their names and sizes, and their content.
    """
    files = {folder.name: folder} if folder.is_file() else dict(_files_below(folder))
    names = sorted(files, key=str.lower)
    total = hashlib.sha256(str(len(files)).encode())
    for name in names:
        total.update(f"#{name}#{files[name].stat().st_size}".encode())
    for name in names:
        with files[name].open("rb") as content:
            while chunk := content.read(CHUNK_BYTES):
                total.update(chunk)
    return total.hexdigest()


async def _compare(blobs: Blobs, asset: Document, uri: str, recorded: str | None) -> None:
    # State folders of earlier releases have no fingerprints.
    if recorded is not None and recorded != await _fingerprint(blobs, uri):
        raise _changed(asset, uri)


async def _fingerprint(blobs: Blobs, uri: str) -> str:
    """Hash names and ETags; each write gives a new ETag, which clients cannot choose."""
    etags = await blobs.etags(uri)
    return hashlib.sha256(json.dumps(etags, sort_keys=True).encode()).hexdigest()


def _changed(asset: Document, uri: str) -> ArmError:
    *_, kind, name, _, version = asset["id"].split("/")
    return ArmError(
        400,
        "AssetChanged",
        f"AssetChanged: the files of {kind} {name}:{version} at {uri} were changed after registration. "
        "None of them was run. Register a new version.",
    )


def _files_below(folder: Path) -> Iterable[tuple[str, Path]]:
    return ((path.relative_to(folder).as_posix(), path) for path in folder.rglob("*") if path.is_file())
