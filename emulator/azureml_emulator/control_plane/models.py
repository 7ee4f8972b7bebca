"""Models."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from azureml_emulator.arm.errors import bad_request
from azureml_emulator.arm.resources import object_in, text_in
from azureml_emulator.context import Context
from azureml_emulator.control_plane.asset_uris import model_uri
from azureml_emulator.control_plane.assets import NEW_VERSION, AssetKind, stage_of
from azureml_emulator.control_plane.lookup import arm_path, get_resource, parent
from azureml_emulator.store import Document


def _complete(context: Context, _version_id: str, properties: Document, previous: Document) -> Document:
    given = text_in(properties, "modelUri")
    if given is None:
        raise bad_request("A model needs a 'modelUri'.")
    uri, job = model_uri(context, given)
    return {
        **_of_a_model(uri, text_in(properties, "modelType") or "custom_model"),
        "flavors": object_in(properties, "flavors") or previous.get("flavors", {}),
        "jobName": text_in(properties, "jobName") or job,
        "stage": stage_of(properties, previous),
    }


def new_version(uri: str, kind: str, **common: object) -> Document:
    """Return the properties of a version that a job or MLflow registers."""
    return {**NEW_VERSION, **_of_a_model(uri, kind), **common}


def _of_a_model(uri: str, kind: str) -> Document:
    return {
        "autoDeleteSetting": None,
        "flavors": {},
        "modelType": kind,
        "modelUri": uri,
        "jobName": None,
        "provisioningState": "Succeeded",
        "stage": "Development",
        "intellectualProperty": None,
    }


MODELS = AssetKind("models", immutable=("modelUri", "modelType"), complete=_complete, page_size=20, files="modelUri")


async def list_versions(request: Request) -> Response:
    """List the versions of a model; 404 for an unknown one, unlike other assets (recorded 2024)."""
    get_resource(request, parent(arm_path(request)))
    return await MODELS.list_versions(request)


routes = [Route("/models/{name}/versions", list_versions, methods=["GET"]), *MODELS.routes()]
