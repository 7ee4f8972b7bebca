"""Lists as ARM hands them out: in pages, in an order, and only what was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from azureml_emulator.arm.errors import bad_request, not_emulated
from azureml_emulator.store import Document

PAGE_SIZE = 100
"""Ours: the contract leaves it to the service, but for datastores."""
MAX_PAGE_SIZE = 1000
VIEWS = {"activeonly": (False,), "archivedonly": (True,), "all": (False, True)}


def page(request: Request, found: list[Document], size: int = PAGE_SIZE) -> Response:
    """Answer with one page: `$skip` says where it begins, `count` how long it is, `$top` how long all pages are.

    Args:
        request: The request for a list.
        found: All that the list has, in its order.
        size: The page's length when the client does not say.

    Returns:
        The page, with a `nextLink` when there is more.

    Raises:
        ArmError: 400, if `$skip`, `count` or `$top` is no number.
    """
    begin = number(request, "$skip") or 0
    top = number(request, "$top")
    end = begin + min(number(request, "count") or size, MAX_PAGE_SIZE)
    if top is not None:
        end, found = min(end, begin + top), found[: begin + top]
    body: Document = {"value": found[begin:end]}
    if end < len(found):
        rest = {} if top is None else {"$top": top - (end - begin)}
        body["nextLink"] = str(
            request.url.replace(scheme="https", port=None).include_query_params(**{"$skip": end, **rest})
        )
    return JSONResponse(body)


def number(request: Request, name: str) -> int | None:
    """Read a query parameter that is a number.

    Args:
        request: The request.
        name: The parameter's name.

    Returns:
        The number, None when it is not given.

    Raises:
        ArmError: 400, if it is anything else, or below zero.
    """
    text = request.query_params.get(name)
    if not text:
        return None
    # More digits than any list has entries would only be slow to read.
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise bad_request(f"{name} must be a number, not {text[:50]!r}.", name)
    return int(text)


def in_view(request: Request, found: Iterable[Document]) -> list[Document]:
    """Keep what `listViewType` asks for: by default, what is not archived.

    Args:
        request: The request for a list.
        found: Resources that can be archived.

    Returns:
        Those to show.

    Raises:
        ArmError: 400, if there is no such view.
    """
    asked = request.query_params.get("listViewType") or "ActiveOnly"
    shown = VIEWS.get(asked.lower())
    if shown is None:
        raise bad_request(f"listViewType must be ActiveOnly, ArchivedOnly or All, not {asked!r}.", "listViewType")
    return [resource for resource in found if resource["properties"]["isArchived"] in shown]


def ordered(request: Request, found: list[Document]) -> list[Document]:
    """Sort as `$orderBy` says: by `createdtime`, `modifiedtime` or `version`, `asc` or `desc`.

    Args:
        request: The request for a list.
        found: The resources, in the order they were created.

    Returns:
        The resources in the order that was asked for; as they are when none was.

    Raises:
        ArmError: 400, if there is no such order.
    """
    asked = request.query_params.get("$orderBy", "").lower().split()
    if not asked:
        return found
    field, direction = asked[0], "".join(asked[1:]) or "asc"
    if field not in ORDERS or direction not in ("asc", "desc"):
        raise bad_request(f"$orderBy must be {', '.join(ORDERS)}, with asc or desc.", "$orderBy")
    in_order = sorted(found, key=ORDERS[field])
    # Not `reverse`: two that were created in one moment turn round, too.
    return in_order[::-1] if direction == "desc" else in_order


def _version(resource: Document) -> tuple[bool, int, str]:
    """Numbers by value, then names."""
    name = resource["name"]
    is_number = name.isascii() and name.isdecimal()
    return not is_number, int(name) if is_number else 0, name


ORDERS: dict[str, Callable[[Document], Any]] = {
    "createdtime": lambda resource: resource["systemData"]["createdAt"],
    "createdat": lambda resource: resource["systemData"]["createdAt"],
    "modifiedtime": lambda resource: resource["systemData"]["lastModifiedAt"],
    "version": _version,
}


def matching(request: Request, found: Iterable[Document]) -> list[Document]:
    """Keep what has the tags, properties, version, description and stage that the query names.

    Args:
        request: The request for a list.
        found: Versions of an asset.

    Returns:
        Those that match all of it.

    Raises:
        ArmError: 501, if the query names a feed.
    """
    query = request.query_params
    if query.get("feed"):
        raise not_emulated("assets of a feed")
    kept = list(found)
    for name, field in (("tags", "tags"), ("$tags", "tags"), ("properties", "properties")):
        kept = [resource for resource in kept if _has(resource["properties"][field], query.get(name, ""))]
    if version := query.get("version"):
        kept = [resource for resource in kept if resource["name"] == version]
    for field in ("description", "stage"):
        if value := query.get(field):
            kept = [resource for resource in kept if resource["properties"].get(field) == value]
    return kept[number(request, "offset") or 0 :]


def _has(labels: Document, asked: str) -> bool:
    """Say whether labels have all of `key1,key2=value2`."""
    pairs = [part.strip().partition("=") for part in asked.split(",") if part.strip()]
    return all(key in labels and (not equals or str(labels[key]) == value) for key, equals, value in pairs)
