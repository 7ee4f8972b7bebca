"""Code assets: folders that the SDK uploads and finds by their hash."""

from __future__ import annotations

import uuid

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from azureml_emulator.arm.errors import bad_request
from azureml_emulator.arm.resources import PROVIDER, text_in
from azureml_emulator.context import Context, context_of
from azureml_emulator.control_plane.assets import AssetKind
from azureml_emulator.control_plane.listing import page
from azureml_emulator.store import Document

VERSION_TYPE = f"{PROVIDER}/workspaces/codes/versions"


def _complete(_context: Context, _version_id: str, properties: Document, _previous: Document) -> Document:
    uri = text_in(properties, "codeUri")
    if uri is None:
        raise bad_request("A code asset needs a 'codeUri'.")
    # Recorded 2022 to 2024: code is never anonymous, even if it is registered so.
    return {"isAnonymous": False, "codeUri": uri, "provisioningState": "Succeeded"}


CODES = AssetKind("codes", immutable=("codeUri",), complete=_complete, files="codeUri")


async def find_by_hash(request: Request) -> Response:
    """List versions; with `hash`, versions of any code asset with that content.

    Clients give code assets random names.
    """
    wanted = request.query_params.get("hash")
    if not wanted:
        return await CODES.list_versions(request)
    found = context_of(request).store.list_type(VERSION_TYPE)
    return page(request, [code for code in found if code["properties"]["properties"].get("hash_sha256") == wanted])


async def start_pending_upload(request: Request) -> Response:
    """Create a container for one upload and return its signed URL."""
    context = context_of(request)
    container = f"code-{uuid.uuid4().hex}"
    await context.blobs.create_container(container)
    workspace = context.store.get(context.settings.workspace_id)
    assert workspace is not None  # noqa: S101 - made at the start
    url = context.blobs.url(container)
    return JSONResponse(
        {
            "pendingUploadId": str(uuid.uuid4()),
            "pendingUploadType": "TemporaryBlobReference",
            "blobReferenceForConsumption": {
                "blobUri": url,
                "storageAccountArmId": workspace["properties"]["storageAccount"],
                "credential": {"credentialType": "SAS", "sasUri": f"{url}?{context.blobs.sign(container)}"},
            },
        }
    )


routes = [
    Route("/codes/{name}/versions", find_by_hash),
    Route("/codes/{name}/versions/{version}/startPendingUpload", start_pending_upload, methods=["POST"]),
    *CODES.routes(),
]
