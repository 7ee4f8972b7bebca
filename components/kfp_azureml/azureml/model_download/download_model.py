"""Download a registered model."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from azure.core.exceptions import ResourceModifiedError

from kfp_azureml.azureml.azure_errors import azure_errors
from kfp_azureml.azureml.blobs import DatastorePath, datastore_path
from kfp_azureml.azureml.model_download.block_reader import missing_blocks, read_in_order
from kfp_azureml.azureml.model_download.file_names import check_file_names
from kfp_azureml.azureml.model_download.find_version import find_version
from kfp_azureml.azureml.model_download.model_blobs import BlobFile, ModelBlobs, open_model_blobs
from kfp_azureml.azureml.model_download.partial_folder import PartialFolder, partial_folder
from kfp_azureml.azureml.model_download.verification import DamagedFilesError, Verified, verify
from kfp_azureml.azureml.property_names import CONTENT_PROPERTY
from kfp_azureml.azureml.waiting import Deadline
from kfp_azureml.azureml.workspace import studio_url
from kfp_azureml.runtime.errors import ModelError, OutputError
from kfp_azureml.runtime.step import progress, throttle

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Model

REPORT_SECONDS = 10.0
_CHANGES = 3  # how often blobs may change during a download


@dataclass(frozen=True)
class DownloadedModel:
    """A downloaded model version.

    Attributes:
        name: The model's name.
        version: Its version.
        id: Its Azure resource id.
        studio_url: Its page in Azure ML studio.
        files: Number of files.
        size: Size of all files in bytes.
        verified: How the files were verified, in words.
    """

    name: str
    version: str
    id: str
    studio_url: str
    files: int
    size: int
    verified: str


def download_model(
    client: MLClient, name: str, version: str, folder: Path, *, overwrite: bool = False, timeout_seconds: float = 3600
) -> DownloadedModel:
    """Download a registered model to a folder, or find that it is already there.

    The folder appears when all files are complete and verified. An interrupted download continues with the next call;
    see `partial_folder`.

    Args:
        client: A client of the workspace.
        name: The model.
        version: Its version; empty selects the highest, `@LABEL` a label.
        folder: The folder to create.
        overwrite: Replace the folder if it exists with other content.
        timeout_seconds: Timeout in seconds.

    Raises:
        InvalidNameError: If the name or version is invalid.
        ModelError: If the model does not exist, cannot be read in time, or differs from its hashes.
        OutputError: If the folder exists with other content, or cannot be written.
    """
    deadline = Deadline(timeout_seconds, look_at="")
    model = find_version(client, name, version)
    what = f"model {name} version {model.version}"
    target = _target(folder)
    with (
        azure_errors(f"downloading {what}", ModelError),
        open_model_blobs(client, _place(client, model, what)) as blobs,
        partial_folder(target, deadline) as partial,
    ):
        download = _Download(what, model, blobs, partial, deadline)
        files, verified = download.to_target(overwrite=overwrite)
    return DownloadedModel(
        name=name,
        version=str(model.version),
        id=str(model.id),
        studio_url=studio_url(client, f"model/{name}:{model.version}/details"),
        files=len(files),
        size=sum(file.size for file in files.values()),
        verified=str(verified),
    )


@dataclass(frozen=True)
class _Download:
    what: str
    model: Model
    blobs: ModelBlobs
    partial: PartialFolder
    deadline: Deadline

    def to_target(self, *, overwrite: bool) -> tuple[Mapping[str, BlobFile], Verified]:
        files = self._listed()
        if _is_used(self.partial.target):
            found = self._found_in_target(files)
            if found:
                progress(f"{self.what}: {self.partial.target} already has these files, nothing to download")
                self.partial.discard()
                return files, found
            if not overwrite:
                raise OutputError(
                    f"{self.partial.target} exists with other content than {self.what}: remove it, choose another "
                    "folder, or overwrite it (--overwrite, a component's overwrite)"
                )
        try:
            files = self._fetch_all(files)
        except BaseException:
            if self.partial.files.is_dir():
                progress(f"{self.what}: partial download stays in {self.partial.folder}, run it again to resume")
            raise
        verified = self._verified(files)
        self.partial.become_target()
        return files, verified

    def _listed(self) -> dict[str, BlobFile]:
        files = self.blobs.files()
        if not files:
            raise ModelError(f"{self.what}: no files at {self.model.path}: they were deleted from the storage")
        check_file_names(files, self.what)
        return dict(sorted(files.items()))

    def _fetch_all(self, files: dict[str, BlobFile]) -> dict[str, BlobFile]:
        for _ in range(_CHANGES):
            self.partial.keep_only(str(self.model.id), files)
            try:
                self._fetch(files)
            except ResourceModifiedError:
                progress(f"{self.what}: changed in the storage, downloading its changed files again")
                files = self._listed()
            else:
                return files
        raise ModelError(f"{self.what}: its files keep changing in the storage: run it again when they do not")

    def _fetch(self, files: Mapping[str, BlobFile]) -> None:
        total = sum(file.size for file in files.values())
        done = sum(map(self.partial.size, files))
        if done:
            progress(f"{self.what}: resuming, {_megabytes(done)} of {_megabytes(total)} are there")
        self._check_space(total - done)
        blocks = missing_blocks(files.values(), self.partial.size)
        tell = throttle(REPORT_SECONDS)
        try:
            for block, content in read_in_order(blocks, self.blobs.read, lambda: self.deadline.remaining):
                with self.partial.path(block.file.name).open("ab") as stream:
                    stream.write(content)
                done += len(content)
                if tell():
                    progress(f"{self.what}: {_megabytes(done)} of {_megabytes(total)}", done / total)
        except TimeoutError:
            raise ModelError(
                f"{self.what}: {_megabytes(done)} of {_megabytes(total)} downloaded "
                f"(timeout_seconds={self.deadline.seconds:g}): run it again to resume"
            ) from None

    def _check_space(self, needed: int) -> None:
        free = shutil.disk_usage(self.partial.folder).free
        if needed > free:
            raise OSError(errno.ENOSPC, f"{_megabytes(needed)} needed, {_megabytes(free)} free")

    def _verified(self, files: Mapping[str, BlobFile]) -> Verified:
        try:
            return verify(self.what, self.partial.files, files, self._content)
        except DamagedFilesError as error:
            for name in error.names:
                self.partial.path(name).unlink()
            raise
        except ModelError:
            self.partial.discard()
            raise

    def _found_in_target(self, files: Mapping[str, BlobFile]) -> Verified | None:
        """Return how the target's files were found equal to the model's; None if they are not certainly equal."""
        target = self.partial.target
        there = {path.relative_to(target).as_posix(): path for path in target.rglob("*") if not path.is_dir()}
        # Reading a pipe would never end.
        if there.keys() != files.keys() or not all(path.is_file() for path in there.values()):
            return None
        try:
            found = verify(self.what, target, files, self._content)
        except ModelError:
            return None
        return found if found.covers_all else None

    @property
    def _content(self) -> str:
        return str((self.model.properties or {}).get(CONTENT_PROPERTY) or "")


def _target(folder: Path) -> Path:
    """Return the target folder with links resolved.

    Raises:
        OutputError: If it is a file, or contains the current folder or the user's home.
    """
    target = folder.resolve()
    if target.exists() and not target.is_dir():
        raise OutputError(f"{folder} is a file: choose another folder")
    # Replacing it would delete these.
    for inside in (Path.cwd(), Path(os.environ.get("HOME") or Path.cwd())):
        if inside.resolve().is_relative_to(target):
            raise OutputError(f"{folder} contains {inside}: name a new folder in it")
    return target


def _place(client: MLClient, model: Model, what: str) -> DatastorePath:
    place = datastore_path(str(model.path))
    if place is None or place.workspace.lower() not in ("", str(client.workspace_name).lower()):
        raise ModelError(
            f"{what}: stored at {model.path}, which is not in a datastore of workspace {client.workspace_name}"
        )
    return place


def _is_used(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
