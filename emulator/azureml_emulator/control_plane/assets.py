"""Versioned assets: immutable versions in a container that counts them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from azureml_emulator.context import services
from azureml_emulator.control_plane.arm import ArmError, new_resource, object_in, read_resource, text_in
from azureml_emulator.control_plane.listing import in_view, matching, ordered, page
from azureml_emulator.control_plane.lookup import arm_path, check_name, get_resource, parent
from azureml_emulator.scoring import integrity
from azureml_emulator.store import Document, Store

NAME_PATTERN = r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,254}"
NAME_RULE = "it begins with a letter or digit, and has letters, digits, '.', '_' and '-', at most 255"
NEW_CONTAINER = {"latestVersion": None, "nextVersion": "1", "isArchived": False, "provisioningState": "Succeeded"}


@dataclass(frozen=True)
class AssetKind:
    """A kind of versioned asset.

    Attributes:
        collection: Its segment in ARM paths, such as `models`.
        immutable: The properties of a version that cannot change.
        complete: Adds the service's defaults to the properties.
        files: The property with the location of files that are run and must not change.
    """

    collection: str
    immutable: tuple[str, ...]
    complete: Callable[[Document], Document]
    files: str | None = None

    def routes(self) -> list[BaseRoute]:
        """Return the routes of this kind, relative to the workspace."""
        container, versions = f"/{self.collection}/{{name}}", f"/{self.collection}/{{name}}/versions"
        return [
            Route(f"/{self.collection}", list_containers),
            Route(container, get, methods=["GET"]),
            Route(container, self.put_container, methods=["PUT"]),
            Route(container, delete_container, methods=["DELETE"]),
            Route(versions, list_versions, methods=["GET"]),
            Route(f"{versions}/{{version}}", get, methods=["GET"]),
            Route(f"{versions}/{{version}}", self.put_version, methods=["PUT"]),
            Route(f"{versions}/{{version}}", delete_version, methods=["DELETE"]),
        ]

    async def put_version(self, request: Request) -> Response:
        """Create a version, or change its description, tags, properties or archived state."""
        parts, version_id = services(request), arm_path(request)
        store = parts.store
        _, properties = await read_resource(request)
        self._check_name(request.path_params["name"])
        self._check_name(request.path_params["version"])
        # The common properties are validated, so they override the client's.
        completed = {**self.complete(properties), **_common(properties)}
        previous = store.get(version_id)
        if previous:
            self._refuse_changes(previous, completed)
        elif self.files:
            await integrity.record(store, parts.blobs, version_id, completed[self.files])
            previous = store.get(version_id)
            if previous:  # another request was faster
                self._refuse_changes(previous, completed)
        resource = add_version(store, version_id, completed, previous)
        return JSONResponse(resource, 200 if previous else 201)

    async def put_container(self, request: Request) -> Response:
        """Create a container, or change it; this archives a whole asset."""
        store = services(request).store
        _, properties = await read_resource(request)
        self._check_name(request.path_params["name"])
        previous = store.get(arm_path(request))
        counted = previous["properties"] if previous else NEW_CONTAINER
        changed = {
            "description": text_in(properties, "description"),
            "tags": object_in(properties, "tags"),
            "properties": object_in(properties, "properties"),
            **{name: counted[name] for name in NEW_CONTAINER},
            "isArchived": bool(properties.get("isArchived")),
        }
        resource = new_resource(arm_path(request), changed, previous=previous)
        store.put(resource)
        return JSONResponse(resource, 200 if previous else 201)

    def _check_name(self, name: str) -> None:
        check_name(f"something in {self.collection}", name, NAME_PATTERN, NAME_RULE)

    def _refuse_changes(self, previous: Document, properties: Document) -> None:
        changed = [name for name in self.immutable if previous["properties"].get(name) != properties.get(name)]
        if not changed:
            return
        *_, name, _, version = previous["id"].split("/")
        raise ArmError(
            409,
            "Conflict",
            f"{self.collection} {name}:{version} is already registered, and {', '.join(changed)} cannot change.",
            target=previous["id"],
            details=[ArmError(409, "Conflict", f"{field!r} cannot change.", target=field) for field in changed],
        )


async def get(request: Request) -> Response:
    """GET a version or a container."""
    return JSONResponse(get_resource(request, arm_path(request)))


async def list_containers(request: Request) -> Response:
    """List containers, by `listViewType`, `$skip` and `count`."""
    return page(request, in_view(request, services(request).store.list_collection(arm_path(request))))


async def list_versions(request: Request) -> Response:
    """List versions: ordered, filtered, in pages."""
    found = in_view(request, services(request).store.list_collection(arm_path(request)))
    return page(request, matching(request, ordered(request, found)))


async def delete_container(request: Request) -> Response:
    """DELETE a container with all its versions."""
    store = services(request).store
    if store.get(arm_path(request)) is None:
        return Response(status_code=204)
    store.delete(arm_path(request))
    return Response(status_code=200)


async def delete_version(request: Request) -> Response:
    """DELETE a version."""
    store = services(request).store
    if store.get(arm_path(request)) is None:
        return Response(status_code=204)
    remove_version(store, arm_path(request))
    return Response(status_code=200)


def add_version(store: Store, version_id: str, properties: Document, previous: Document | None = None) -> Document:
    """Add or change a version and update its container."""
    resource = new_resource(version_id, properties, previous=previous)
    store.put(resource)
    if previous is None:
        _count_version(store, version_id)
    return resource


def remove_version(store: Store, version_id: str) -> None:
    """Remove a version; its number is not reused."""
    store.delete(version_id)
    versions = parent(version_id)
    left = store.list_collection(versions)
    store.set_properties(parent(versions), latestVersion=left[-1]["name"] if left else None)


def _common(properties: Document) -> Document:
    """Return the properties that every version has."""
    return {
        "description": text_in(properties, "description"),
        "tags": object_in(properties, "tags"),
        "properties": object_in(properties, "properties"),
        "isAnonymous": bool(properties.get("isAnonymous")),
        "isArchived": bool(properties.get("isArchived")),
        "provisioningState": "Succeeded",
    }


def _count_version(store: Store, version_id: str) -> None:
    """Update the container's newest version and next number."""
    container_id, version = parent(parent(version_id)), version_id.rsplit("/", 1)[1]
    previous = store.get(container_id)
    properties = previous["properties"] if previous else {"description": None, "tags": {}, "properties": {}}
    next_number = int(properties.get("nextVersion", "1"))
    if version.isdecimal():
        next_number = max(next_number, int(version) + 1)
    counted = {**NEW_CONTAINER, "latestVersion": version, "nextVersion": str(next_number)}
    store.put(new_resource(container_id, {**properties, **counted}, previous=previous))
