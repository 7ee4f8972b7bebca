"""What all versioned assets share: versions that cannot change, and a container that knows the next number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from azureml_emulator.arm import bad_request, conflict, new_resource, object_in, read_resource
from azureml_emulator.resources.lookup import arm_path, check_name, get_resource, parent
from azureml_emulator.services import services
from azureml_emulator.store import Document

NAME_PATTERN = r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,254}"
NAME_RULE = "it begins with a letter or digit, and has letters, digits, '.', '_' and '-', at most 255"


@dataclass(frozen=True)
class AssetKind:
    """One kind of versioned asset.

    Attributes:
        collection: Its segment in ARM paths, such as `models`.
        immutable: The properties that a version keeps for ever.
        complete: Adds the properties that the service fills in.
    """

    collection: str
    immutable: tuple[str, ...]
    complete: Callable[[Document], Document]

    def routes(self) -> list[BaseRoute]:
        """The routes of this kind, below the workspace."""
        container, versions = f"/{self.collection}/{{name}}", f"/{self.collection}/{{name}}/versions"
        return [
            Route(f"/{self.collection}", list_containers),
            Route(container, get, methods=["GET"]),
            Route(container, put_container, methods=["PUT"]),
            Route(versions, list_versions, methods=["GET"]),
            Route(f"{versions}/{{version}}", get, methods=["GET"]),
            Route(f"{versions}/{{version}}", self.put_version, methods=["PUT"]),
        ]

    async def put_version(self, request: Request) -> Response:
        """Create a version, or change its description, tags, properties and whether it is archived."""
        store = services(request).store
        version_id = arm_path(request)
        _, properties = await read_resource(request)
        for segment in (request.path_params["name"], request.path_params["version"]):
            check_name(f"something in {self.collection}", segment, NAME_PATTERN, NAME_RULE)
        previous = store.get(version_id)
        if previous:
            changed = [name for name in self.immutable if previous["properties"].get(name) != properties.get(name)]
            if changed:
                name, version = request.path_params["name"], request.path_params["version"]
                raise conflict(
                    f"{self.collection} {name}:{version} is already registered, and {', '.join(changed)} cannot change."
                )
        completed = {
            "description": None,
            **self.complete(properties),
            "tags": object_in(properties, "tags"),
            "properties": object_in(properties, "properties"),
            "isAnonymous": bool(properties.get("isAnonymous")),
            "isArchived": bool(properties.get("isArchived")),
            "provisioningState": "Succeeded",
        }
        resource = new_resource(version_id, completed, previous=previous)
        store.put(resource)
        if previous is None:
            _count_version(request, parent(parent(version_id)))
        return JSONResponse(resource, 200 if previous else 201)


async def get(request: Request) -> Response:
    """GET a version or a container."""
    return JSONResponse(get_resource(request, arm_path(request)))


async def list_containers(request: Request) -> Response:
    """List containers."""
    return JSONResponse({"value": _in_view(request, services(request).store.list_collection(arm_path(request)))})


async def list_versions(request: Request) -> Response:
    """List versions: `$orderBy`, `$top` and `listViewType` count."""
    found = _in_view(request, services(request).store.list_collection(arm_path(request)))
    if "desc" in request.query_params.get("$orderBy", "").lower():
        found.reverse()
    if top := request.query_params.get("$top"):
        if not top.isdecimal():
            raise bad_request(f"$top must be a number, not {top!r}.")
        found = found[: int(top)]
    return JSONResponse({"value": found})


async def put_container(request: Request) -> Response:
    """Change a container: this is how a whole asset is archived."""
    _, properties = await read_resource(request)
    previous = get_resource(request, arm_path(request))
    archived = bool(properties.get("isArchived"))
    changed = {**previous["properties"], **properties, "isArchived": archived}
    resource = new_resource(arm_path(request), changed, previous=previous)
    services(request).store.put(resource)
    return JSONResponse(resource)


def _in_view(request: Request, found: list[Document]) -> list[Document]:
    view = request.query_params.get("listViewType", "ActiveOnly")
    if view == "All":
        return found
    return [resource for resource in found if resource["properties"]["isArchived"] == (view == "ArchivedOnly")]


def _count_version(request: Request, container_id: str) -> None:
    store = services(request).store
    versions = [resource["name"] for resource in store.list_collection(f"{container_id}/versions")]
    numbers = [int(version) for version in versions if version.isdecimal()]
    previous = store.get(container_id)
    properties = previous["properties"] if previous else {"description": None, "tags": {}, "properties": {}}
    counted = {"latestVersion": versions[-1], "nextVersion": str(max(numbers, default=0) + 1), "isArchived": False}
    store.put(new_resource(container_id, {**properties, **counted}, previous=previous))
