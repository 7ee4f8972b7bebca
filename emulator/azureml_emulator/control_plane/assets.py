"""Versioned assets: immutable versions in a container that counts them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from azureml_emulator.arm.errors import bad_request
from azureml_emulator.arm.resources import new_resource, object_in, text_in
from azureml_emulator.context import Context, context_of
from azureml_emulator.control_plane.http import created, read_resource
from azureml_emulator.control_plane.listing import PAGE_SIZE, in_view, matching, ordered, page
from azureml_emulator.control_plane.lookup import arm_path, check_name, get_resource, parent
from azureml_emulator.storage import asset_integrity
from azureml_emulator.store import Document, Store

NAME_PATTERN = r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,254}"
NAME_RULE = "it begins with a letter or digit, and has letters, digits, '.', '_' and '-', at most 255"
NEW_CONTAINER = {"latestVersion": None, "nextVersion": "1", "isArchived": False, "provisioningState": "Succeeded"}
EMPTY: Document = {"description": None, "tags": {}, "properties": {}}
NEW_VERSION = {**EMPTY, "isArchived": False, "isAnonymous": False}

Complete = Callable[[Context, str, Document, Document], Document]
"""Takes the context, the version's id, the given and the previous properties; returns those that only its kind has."""
Count = Callable[[Document, str], Document]
"""Takes a container's and a new version's properties, and the version; returns what changes in the container."""


def count_number(container: Document, version: str) -> Document:
    """Count versions that are numbers."""
    following = int(container["nextVersion"])
    if version.isdecimal():
        following = max(following, int(version) + 1)
    return {"latestVersion": version, "nextVersion": str(following)}


def stage_of(properties: Document, previous: Document) -> str:
    """Return the stage of a version: the given one, the one it had, or the service's default."""
    anonymous = properties.get("isAnonymous") or previous.get("isAnonymous")
    return text_in(properties, "stage") or previous.get("stage") or ("Logged" if anonymous else "Development")


@dataclass(frozen=True)
class AssetKind:
    """A kind of versioned asset.

    Attributes:
        collection: Its segment in ARM paths, such as `models`.
        immutable: The properties of a version that cannot change.
        complete: Returns the properties that only this kind has, with the service's defaults.
        page_size: How many of them are in a page of a list.
        files: The property with the location of files that are run and must not change.
        empty: Description, tags and properties of a container without them.
        counted: The properties with which a container begins.
        count: Updates a container for a new version.
        container: Returns properties of the container that follow from a version's.
        fixed: Returns the part of an immutable property that cannot change.
        shown: Returns a version as clients see it.
        created_again: Whether a PUT over an existing version or container answers 201.
        never_modified: Whether `systemData` names no last modifier until the first change.
    """

    collection: str
    immutable: tuple[str, ...]
    complete: Complete
    page_size: int = PAGE_SIZE
    files: str | None = None
    empty: Document = field(default_factory=lambda: EMPTY)
    counted: Document = field(default_factory=lambda: NEW_CONTAINER)
    count: Count = count_number
    container: Callable[[Document], Document] = lambda _properties: {}
    fixed: Callable[[object], object] = lambda value: value
    shown: Callable[[Document], Document] = lambda resource: resource
    created_again: bool = False
    never_modified: bool = False

    def routes(self) -> list[BaseRoute]:
        """Return the routes of this kind, relative to the workspace."""
        container, versions = f"/{self.collection}/{{name}}", f"/{self.collection}/{{name}}/versions"
        return [
            Route(f"/{self.collection}", self.list_containers),
            Route(container, self.get, methods=["GET"]),
            Route(container, self.put_container, methods=["PUT"]),
            Route(container, delete_container, methods=["DELETE"]),
            Route(versions, self.list_versions, methods=["GET"]),
            Route(f"{versions}/{{version}}", self.get, methods=["GET"]),
            Route(f"{versions}/{{version}}", self.put_version, methods=["PUT"]),
            Route(f"{versions}/{{version}}", delete_version, methods=["DELETE"]),
        ]

    async def get(self, request: Request) -> Response:
        """GET a version or a container."""
        return JSONResponse(self.shown(get_resource(request, arm_path(request))))

    async def list_containers(self, request: Request) -> Response:
        """List containers, by `listViewType`."""
        found = context_of(request).store.list_collection(arm_path(request))
        return page(request, in_view(request, found), self.page_size)

    async def list_versions(self, request: Request) -> Response:
        """List versions: ordered, filtered, in pages."""
        found = in_view(request, context_of(request).store.list_collection(arm_path(request)))
        versions = [self.shown(version) for version in matching(request, ordered(request, found))]
        return page(request, versions, self.page_size)

    async def put_version(self, request: Request) -> Response:
        """Create a version, or change its description, tags, properties, stage or archived state."""
        context, version_id = context_of(request), arm_path(request)
        store = context.store
        _, properties = await read_resource(request)
        self._check_name(request.path_params["name"])
        self._check_name(request.path_params["version"])
        previous = store.get(version_id)
        completed = self._completed(context, version_id, properties, previous)
        if not previous and self.files:
            registered = completed["properties"]
            await asset_integrity.record(store, context.blobs, version_id, completed[self.files], registered)
            previous = store.get(version_id)  # another request may have been faster
        if previous:
            self._refuse_changes(previous, completed)
        resource = self.add_version(store, version_id, completed, previous)
        return self._answer(request, resource, previous)

    def _completed(
        self, context: Context, version_id: str, properties: Document, previous: Document | None
    ) -> Document:
        before = previous["properties"] if previous else {}
        own = object_in(properties, "properties")
        common = {
            "description": text_in(properties, "description"),
            "tags": object_in(properties, "tags"),
            "properties": asset_integrity.with_hash_of(before["properties"], own) if before and self.files else own,
            "isArchived": bool(properties.get("isArchived")),
            # Recorded 2023 and 2024: what was once anonymous stays so.
            "isAnonymous": bool(properties.get("isAnonymous") or before.get("isAnonymous")),
        }
        completed = {**common, **self.complete(context, version_id, properties, before)}
        # Of data there is no recording with the null that other kinds have.
        deletion = object_in(properties, "autoDeleteSetting")
        return {**completed, **({"autoDeleteSetting": deletion} if deletion else {})}

    async def put_container(self, request: Request) -> Response:
        """Create a container, or change it; this archives a whole asset."""
        store = context_of(request).store
        _, properties = await read_resource(request)
        self._check_name(request.path_params["name"])
        previous = store.get(arm_path(request))
        counted = {**self.counted, **(previous["properties"] if previous else self.container(properties))}
        changed = {
            **counted,
            "description": text_in(properties, "description") or self.empty["description"],
            "tags": object_in(properties, "tags") or self.empty["tags"],
            "properties": object_in(properties, "properties") or self.empty["properties"],
            "isArchived": bool(properties.get("isArchived")),
        }
        resource = new_resource(arm_path(request), changed, previous=previous)
        store.put(resource)
        return self._answer(request, resource, previous)

    def add_version(
        self, store: Store, version_id: str, properties: Document, previous: Document | None = None
    ) -> Document:
        """Add or change a version and update its container."""
        resource = new_resource(version_id, properties, previous=previous)
        if self.never_modified and not previous:
            del resource["systemData"]["lastModifiedBy"], resource["systemData"]["lastModifiedByType"]
        store.put(resource)
        if previous is None:
            container_id, version = parent(parent(version_id)), version_id.rsplit("/", 1)[1]
            container = store.get(container_id)
            counted = container["properties"] if container else {**self.empty, **self.counted}
            counted |= {"isArchived": False, **self.count(counted, version), **self.container(properties)}
            store.put(new_resource(container_id, counted, previous=container))
        return resource

    def _answer(self, request: Request, resource: Document, previous: Document | None) -> Response:
        shown = self.shown(resource)
        return JSONResponse(shown) if previous and not self.created_again else created(request, shown)

    def _check_name(self, name: str) -> None:
        check_name(f"something in {self.collection}", name, NAME_PATTERN, NAME_RULE)

    def _refuse_changes(self, previous: Document, properties: Document) -> None:
        before = previous["properties"]
        changed = [name for name in self.immutable if self.fixed(before.get(name)) != self.fixed(properties.get(name))]
        if changed:
            *_, name, _, version = previous["id"].split("/")
            raise bad_request(
                f"{self.collection} {name}:{version} is already registered, and {', '.join(changed)} cannot change. "
                "Register another version."
            )


async def delete_container(request: Request) -> Response:
    """DELETE a container with all its versions."""
    store = context_of(request).store
    if store.get(arm_path(request)) is None:
        return Response(status_code=204)
    store.delete(arm_path(request))
    return Response(status_code=200)


async def delete_version(request: Request) -> Response:
    """DELETE a version."""
    store = context_of(request).store
    if store.get(arm_path(request)) is None:
        return Response(status_code=204)
    remove_version(store, arm_path(request))
    return Response(status_code=200)


def remove_version(store: Store, version_id: str) -> None:
    """Remove a version; its number is not reused."""
    store.delete(version_id)
    versions = parent(version_id)
    left = store.list_collection(versions)
    store.set_properties(parent(versions), latestVersion=left[-1]["name"] if left else None)
