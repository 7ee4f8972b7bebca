"""Verify the files of a downloaded model with every hash there is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kfp_azureml.azureml.content_hash import content_hash
from kfp_azureml.azureml.model_download.model_blobs import BlobFile
from kfp_azureml.models.model_folder import MANIFEST_FILE, SAMPLE_FILE, read_manifest
from kfp_azureml.runtime.errors import ModelError

_READ_BYTES = 1024 * 1024


class DamagedFilesError(ModelError):
    """Files differ from the storage's; downloading them again may help.

    Attributes:
        names: The files.
    """

    def __init__(self, what: str, names: list[str]) -> None:
        super().__init__(f"{what}: {', '.join(names)} damaged, size or MD5 differ from the storage's: run it again")
        self.names = names


@dataclass(frozen=True)
class Verified:
    """What was compared.

    Attributes:
        files: Number of files; the size of each was compared.
        md5: Number of files with an MD5 in the storage.
        registered: Whether the sha256 of all files was registered with the model.
        manifest: Number of files with a sha256 in `model.json`.
    """

    files: int
    md5: int
    registered: bool
    manifest: int

    @property
    def covers_all(self) -> bool:
        """Whether each file was compared by a hash."""
        return self.registered or self.md5 == self.files

    def __str__(self) -> str:
        compared = [
            "sha256 as registered" if self.registered else "",
            f"sha256 of {self.manifest} in {MANIFEST_FILE}" if self.manifest else "",
            f"MD5 of {self.md5} in the storage" if self.md5 else "",
        ]
        found = [text for text in compared if text]
        return f"verified: size, {', '.join(found)}" if found else "size verified only: no hash is registered or stored"


def verify(what: str, folder: Path, files: Mapping[str, BlobFile], content: str) -> Verified:
    """Compare a folder's files with the storage, the registration and `model.json`.

    Args:
        what: The model, for messages.
        folder: The folder with the files.
        files: The files in the storage.
        content: Registered hash of all files; empty if there is none.

    Returns:
        What was compared.

    Raises:
        DamagedFilesError: If files differ from the storage.
        ModelError: If they differ from what was registered.
    """
    hashes, damaged = {}, []
    for name, file in sorted(files.items()):
        sha256, md5 = _hashes(folder / name)
        hashes[name] = sha256
        if (folder / name).stat().st_size != file.size or (file.md5 and file.md5 != md5):
            damaged.append(name)
    if damaged:
        raise DamagedFilesError(what, damaged)
    recorded = _recorded(folder, files)
    changed = [name for name, sha256 in recorded.items() if hashes.get(name) != sha256]
    if changed:
        raise ModelError(
            f"{what}: {', '.join(changed)} differ from the sha256 in its {MANIFEST_FILE}: register it again"
        )
    if content and content not in _contents(hashes):
        raise ModelError(f"{what}: the files differ from the registered ones (sha256): register the model again")
    return Verified(len(files), sum(bool(file.md5) for file in files.values()), bool(content), len(recorded))


def _recorded(folder: Path, files: Mapping[str, BlobFile]) -> Mapping[str, str]:
    """Return the hashes in `model.json`; none if it is missing or another tool's."""
    if MANIFEST_FILE not in files:
        return {}
    try:
        return read_manifest(folder).files
    except ModelError:
        return {}


def _contents(hashes: Mapping[str, str]) -> tuple[str, str]:
    """Return the hash of all files, and that without the sample, which registration adds."""
    return content_hash(hashes), content_hash({name: each for name, each in hashes.items() if name != SAMPLE_FILE})


def _hashes(path: Path) -> tuple[str, bytes]:
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(_READ_BYTES):
            sha256.update(block)
            md5.update(block)
    return sha256.hexdigest(), md5.digest()
