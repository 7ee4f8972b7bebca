"""Lists as ARM returns them: in pages, ordered and filtered."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from azureml_emulator.arm.errors import bad_request, not_emulated
from azureml_emulator.store import Document

PAGE_SIZE = 100
"""Not in the contract, except for datastores."""
MAX_PAGE_SIZE = 1000
MAX_DIGITS = 9
"""Longer numbers exceed any list and are slow to parse."""
VIEWS = {"activeonly": (False,), "archivedonly": (True,), "all": (False, True)}


def page(request: Request, found: list[Document], size: int = PAGE_SIZE) -> Response:
    """Return one page of a list, with a `nextLink` if there is more.

    Recorded 2022 to 2024: `$top`, or `count`, is the size of a page, not of the list; the link carries a `$skipToken`.

    Raises:
        ArmError: 400, if `$top`, `count`, `$skip` or `$skipToken` is invalid.
    """
    begin = _begin(request)
    end = begin + min(number(request, "$top") or number(request, "count") or size, MAX_PAGE_SIZE)
    body: Document = {"value": found[begin:end]}
    if end < len(found):
        body["nextLink"] = _next_link(request, end)
    return JSONResponse(body)


def _begin(request: Request) -> int:
    token = request.query_params.get("$skipToken")
    if not token:
        return number(request, "$skip") or 0
    try:
        begin = base64.urlsafe_b64decode(token)
    except ValueError:
        begin = b""
    if not begin.isdigit() or len(begin) > MAX_DIGITS:
        raise bad_request(f"$skipToken {token[:50]!r} is not from a nextLink.")
    return int(begin)


def _next_link(request: Request, begin: int) -> str:
    query = [(name, value) for name, value in request.query_params.multi_items() if not name.startswith("$skip")]
    query.append(("$skipToken", base64.urlsafe_b64encode(str(begin).encode()).decode()))
    return f"https://{request.url.hostname}{request.url.path}?{urlencode(query, safe='$', quote_via=quote)}"


def number(request: Request, name: str) -> int | None:
    """Return a query parameter that is a number; None if it is missing.

    Raises:
        ArmError: 400, if it is not a number, or negative.
    """
    text = request.query_params.get(name)
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS):
        raise bad_request(f"{name} must be a number, not {text[:50]!r}.")
    return int(text)


def archived_states(request: Request) -> tuple[bool, ...]:
    """Return which values of `isArchived` a list shows, by `listViewType`; by default, archived ones are left out.

    Raises:
        ArmError: 400, if the view does not exist.
    """
    asked = request.query_params.get("listViewType") or "ActiveOnly"
    shown = VIEWS.get(asked.lower())
    if shown is None:
        raise bad_request(f"listViewType must be ActiveOnly, ArchivedOnly or All, not {asked!r}.")
    return shown


def in_view(request: Request, found: Iterable[Document]) -> list[Document]:
    """Filter by `listViewType`."""
    shown = archived_states(request)
    return [resource for resource in found if resource["properties"]["isArchived"] in shown]


def ordered(request: Request, found: list[Document]) -> list[Document]:
    """Sort by `$orderBy`: `createdtime`, `modifiedtime` or `version`, `asc` or `desc`.

    Without it, the order of creation is kept.

    Raises:
        ArmError: 400, if the order does not exist.
    """
    asked = request.query_params.get("$orderBy", "").lower().split()
    if not asked:
        return found
    field, direction = asked[0], "".join(asked[1:]) or "asc"
    if field not in ORDERS or direction not in ("asc", "desc"):
        raise bad_request(f"$orderBy must be {', '.join(ORDERS)}, with asc or desc.")
    in_order = sorted(found, key=ORDERS[field])
    # Not `reverse`, which keeps the order of resources created at the same moment.
    return in_order[::-1] if direction == "desc" else in_order


def _version(resource: Document) -> tuple[bool, int, str]:
    """Return a sort key: numbers by value, then names."""
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
    """Filter versions by tags, properties, version, description and stage.

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
    """Return whether labels contain all of `key1,key2=value2`."""
    pairs = [part.strip().partition("=") for part in asked.split(",") if part.strip()]
    return all(key in labels and (not equals or str(labels[key]) == value) for key, equals, value in pairs)
