"""Environments: an image with a conda file, or a build context."""

from __future__ import annotations

import json

import yaml

from azureml_emulator.arm.errors import bad_request
from azureml_emulator.arm.resources import object_in, text_in
from azureml_emulator.context import Context
from azureml_emulator.control_plane.assets import EMPTY, AssetKind, stage_of
from azureml_emulator.store import Document

OS_TYPES = {"linux": "Linux", "windows": "Windows"}


def _complete(_context: Context, _version_id: str, properties: Document, previous: Document) -> Document:
    image, build = text_in(properties, "image"), object_in(properties, "build")
    if not image and not build:
        raise bad_request("An environment needs an 'image' or a 'build' context.")
    system = text_in(properties, "osType") or "Linux"
    return {
        "properties": {"azureml.labels": "", **object_in(properties, "properties")},
        "autoDeleteSetting": None,
        "environmentType": "UserCreated",
        **({"image": image} if image else {}),
        "condaFile": _as_json(text_in(properties, "condaFile")),
        **({"build": {**build, "dockerfilePath": build.get("dockerfilePath") or "Dockerfile"}} if build else {}),
        "osType": OS_TYPES.get(system.lower(), system),
        "autoRebuild": "Disabled",
        "provisioningState": "Succeeded",
        "stage": stage_of(properties, previous),
        "intellectualProperty": None,
    }


def _as_json(conda_file: str | None) -> str:
    """Return a conda file as JSON text (recorded 2022 to 2024); "" without one."""
    if not conda_file:
        return ""
    try:
        return json.dumps(yaml.safe_load(conda_file), indent=2, default=str)
    except (yaml.YAMLError, RecursionError) as error:
        raise bad_request(f"The conda file is not YAML: {' '.join(str(error).split())}.") from None


routes = AssetKind(
    "environments",
    immutable=("image", "condaFile", "build"),
    complete=_complete,
    page_size=100,
    empty={**EMPTY, "description": ""},
    created_again=True,
).routes()
