"""Download a registered model and verify its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kfp_azureml.azureml.azure_errors import azure_errors
from kfp_azureml.azureml.content_hash import content_hash
from kfp_azureml.azureml.names import RESOURCE, check_name
from kfp_azureml.azureml.property_names import CONTENT_PROPERTY
from kfp_azureml.azureml.workspace import quiet_sdk
from kfp_azureml.models.model_folder import SAMPLE_FILE, hash_files
from kfp_azureml.runtime.errors import ModelError, OutputError
from kfp_azureml.runtime.outputs import scratch_folder

if TYPE_CHECKING:
    from azure.ai.ml import MLClient


@dataclass(frozen=True)
class DownloadedModel:
    """A downloaded model.

    Attributes:
        folder: Its folder.
        files: Number of files.
        checked: Whether the files match the registered hash; False if no hash was registered.
    """

    folder: Path
    files: int
    checked: bool


def download_model(client: MLClient, name: str, version: str, to: Path) -> DownloadedModel:
    """Download a registered model and compare the hash of its files with the registered one.

    Args:
        client: A client of the workspace.
        name: The model.
        version: Its version.
        to: Parent of the model's folder, which has the model's name.

    Raises:
        InvalidNameError: If the name or version is invalid.
        ModelError: If the model does not exist or its hash differs.
        OutputError: If the folder exists.
    """
    check_name(RESOURCE, name, "model")
    check_name(RESOURCE, version, "version")
    target = to / name
    if target.exists():
        raise OutputError(f"{target} exists: remove it or set another folder with --to")
    with azure_errors(f"model {name}, version {version}", ModelError), quiet_sdk():
        registered = client.models.get(name, version)
    with scratch_folder(to) as scratch:
        with azure_errors(f"downloading model {name}, version {version}", ModelError), quiet_sdk():
            client.models.download(name, version, download_path=scratch)
        folder = _model_in(scratch / name)
        hashes = hash_files(folder)
        expected = (registered.properties or {}).get(CONTENT_PROPERTY)
        if expected and expected not in _contents(hashes):
            raise ModelError(f"model {name}, version {version}: the files differ from the registered ones (sha256)")
        folder.rename(target)
    return DownloadedModel(target, len(hashes), bool(expected))


def _contents(hashes: Mapping[str, str]) -> tuple[str, str]:
    """Return the hash of all files, and that without the sample, which registration adds."""
    return content_hash(hashes), content_hash({name: each for name, each in hashes.items() if name != SAMPLE_FILE})


def _model_in(folder: Path) -> Path:
    """Return the model's folder; the SDK keeps the name of the uploaded folder."""
    entries = list(folder.iterdir())
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else folder
