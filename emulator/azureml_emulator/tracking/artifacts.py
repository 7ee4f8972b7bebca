"""The artifact services: where the MLflow plugin stores and finds files.

A file has an origin, a container and a path: `ExperimentRun/dcid.RUN/PATH`, or `LocalUpload/NAME/PATH`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from azureml_emulator.arm.errors import bad_request, missing
from azureml_emulator.arm.resources import now
from azureml_emulator.context import Context, context_of
from azureml_emulator.control_plane.http import read_body
from azureml_emulator.storage.blobs import ARTIFACT_STORE, BLOB_STORE
from azureml_emulator.storage.blobs import DATASTORES as CONTAINERS
from azureml_emulator.store import Document

RUNS, UPLOADS = "ExperimentRun", "LocalUpload"
DATASTORES = {RUNS: ARTIFACT_STORE, UPLOADS: BLOB_STORE}
"""The datastore of each origin."""


@dataclass(frozen=True)
class Place:
    """Location of the artifacts of one run or upload.

    Attributes:
        origin: `ExperimentRun` or `LocalUpload`.
        container: The run or upload.
    """

    origin: str
    container: str

    @property
    def blob_container(self) -> str:
        """The blob container."""
        return CONTAINERS[DATASTORES[self.origin]]

    def blob(self, path: str) -> str:
        """Return the blob name of an artifact's path.

        Raises:
            ArmError: 400, if the path leads elsewhere.
        """
        parts = PurePosixPath(path).parts
        if not parts or ".." in parts or parts[0] == "/":
            raise bad_request(f"{path!r} is not an artifact path.")
        return f"{self.origin}/{self.container}/{path}"


def place_of_run(run_id: str) -> Place:
    """Return the location of a run's artifacts."""
    return Place(RUNS, f"dcid.{run_id}")


async def list_artifacts(request: Request) -> Response:
    """List all artifacts of a run or upload."""
    context, place = context_of(request), _place(request)
    return JSONResponse({"value": [_show(place, path) for path in await list_paths(context, place)]})


async def content_info(request: Request) -> Response:
    """Return the signed address of an artifact."""
    context, place = context_of(request), _place(request)
    path = request.query_params.get("path", "")
    if path not in await list_paths(context, place):
        raise missing(f"Artifact {place.origin}/{place.container}/{path} was not found.")
    return JSONResponse(_address(context, place, path, context.blobs.sign(place.blob_container)))


async def create(request: Request) -> Response:
    """Return signed addresses for new artifacts."""
    context, place = context_of(request), _place(request)
    asked = (await read_body(request)).get("paths")
    if not isinstance(asked, list) or not all(
        isinstance(item, dict) and isinstance(item.get("path"), str) for item in asked
    ):
        raise bad_request("'paths' must be a list of objects with a 'path'.")
    paths = [item["path"] for item in asked]
    signature = context.blobs.sign(place.blob_container)
    return JSONResponse(
        {
            "artifacts": {path: _show(place, path) for path in paths},
            "artifactContentInformation": {path: _address(context, place, path, signature) for path in paths},
            "errors": {},
        }
    )


async def list_paths(context: Context, place: Place) -> list[str]:
    """List the paths of all artifacts at a location, sorted."""
    datastore = f"azureml://datastores/{DATASTORES[place.origin]}/paths"
    return sorted(await context.blobs.list_below(f"{datastore}/{place.origin}/{place.container}"))


def _place(request: Request) -> Place:
    names = request.path_params
    if run_id := names.get("run"):
        if context_of(request).runs.get(run_id) is None:
            raise missing(f"Run {run_id} was not found.")
        return place_of_run(run_id)
    if names["origin"] not in DATASTORES or names["container"] in (".", ".."):
        raise missing(f"Artifact {names['origin']}/{names['container']} was not found.")
    return Place(names["origin"], names["container"])


def _show(place: Place, path: str) -> Document:
    return {
        "artifactId": place.blob(path),
        "origin": place.origin,
        "container": place.container,
        "path": path,
        "createdTime": now(),
        "dataPath": {"dataStoreName": DATASTORES[place.origin], "relativePath": place.blob(path)},
    }


def _address(context: Context, place: Place, path: str, signature: str) -> Document:
    url = f"{context.blobs.url(place.blob_container)}/{quote(place.blob(path))}"
    return {"contentUri": f"{url}?{signature}", "origin": place.origin, "container": place.container, "path": path}


def _routes(below: str) -> list[BaseRoute]:
    return [
        Route(below, list_artifacts),
        Route(f"{below}/contentinfo", content_info),
        Route(f"{below}/batch/metadata", create, methods=["POST"]),
    ]


history_routes = [
    *_routes("/experiments/{experiment}/runs/{run}/artifacts"),
    *_routes("/experimentids/{experiment}/runs/{run}/artifacts"),
]
"""Below the workspace's path in the run history API."""
routes = _routes("/artifacts/{origin}/{container}")
"""Below the workspace's path in the artifact API."""
