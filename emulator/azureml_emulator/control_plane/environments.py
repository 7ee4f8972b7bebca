"""Environments: an image with a conda file, or a build context."""

from __future__ import annotations

from azureml_emulator.arm.errors import bad_request
from azureml_emulator.control_plane.assets import AssetKind
from azureml_emulator.store import Document


def _complete(properties: Document) -> Document:
    if not properties.get("image") and not properties.get("build"):
        raise bad_request("An environment needs an 'image' or a 'build' context.")
    return {"environmentType": "UserCreated", "osType": "Linux", **properties}


routes = AssetKind("environments", immutable=("image", "condaFile", "build"), complete=_complete).routes()
