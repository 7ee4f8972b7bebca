"""Data assets: files, folders and tables in the blob store."""

from __future__ import annotations

from azureml_emulator.arm.errors import bad_request
from azureml_emulator.arm.resources import text_in
from azureml_emulator.context import Context
from azureml_emulator.control_plane.asset_uris import data_uri
from azureml_emulator.control_plane.assets import AssetKind
from azureml_emulator.store import Document

TYPES = ("uri_file", "uri_folder", "mltable")
NEW_CONTAINER = {"latestVersion": None, "nextVersion": "1", "isArchived": False}


def _complete(context: Context, _version_id: str, properties: Document, _previous: Document) -> Document:
    uri, kind = text_in(properties, "dataUri"), properties.get("dataType")
    if uri is None:
        raise bad_request("A data asset needs a 'dataUri'.")
    if kind not in TYPES:
        raise bad_request(f"'dataType' must be one of {', '.join(TYPES)}, not {kind!r}.")
    referenced = {"referencedUris": properties.get("referencedUris")} if kind == "mltable" else {}
    return {"dataUri": data_uri(context.settings.workspace_id, uri, kind), "dataType": kind, **referenced}


DATA = AssetKind(
    "data",
    immutable=("dataUri", "dataType"),
    complete=_complete,
    page_size=50,
    empty={"description": None, "tags": None, "properties": None},
    counted=NEW_CONTAINER,
    container=lambda properties: {"dataType": properties.get("dataType")},
    never_modified=True,
)
routes = DATA.routes()
