"""What of an answer's headers is a fact: that it is there, and the kind of address it names.

The link to the next page of a list is such an address too.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

from exchange import Exchange, generalised, operation_kind

ABSENT = "absent"
ADDRESSES = ("azure-asyncoperation", "location")
VALUES = ("x-ms-async-operation-timeout",)
PRESENCE = ("retry-after", "etag")
NEXT_PAGE = "nextLink"
HEADERS = (*ADDRESSES, *VALUES, *PRESENCE, NEXT_PAGE)


def facts_of(exchange: Exchange) -> Iterator[tuple[str, str]]:
    """Yield each header with its fact."""
    for name in HEADERS:
        value = _next_page(exchange) if name == NEXT_PAGE else exchange.headers.get(name)
        if value is None:
            yield name, ABSENT
        elif name in ADDRESSES:
            yield name, _address(value, exchange)
        else:
            yield name, "given" if name in PRESENCE else value


def _address(value: str, exchange: Exchange) -> str:
    """Return the kind of an address: the resource itself, or an operation's status or result."""
    raw = urlsplit(value).path
    path = generalised(raw)
    if path == exchange.path:
        return "itself"
    if "/locations/" in path:
        kind = operation_kind(raw)
        collection = path.split("/")[-2]
        return f"{collection}/{kind}" if kind else collection
    return "/".join(path.split("/")[-4:])


def _next_page(exchange: Exchange) -> str | None:
    """Return the parameter that a list's next page is asked with, such as `$skipToken`."""
    link = exchange.body.get("nextLink") if isinstance(exchange.body, dict) else None
    if not link:
        return None
    names = [name for name, _ in parse_qsl(urlsplit(link).query, keep_blank_values=True)]
    return ", ".join(name for name in names if "skip" in name.lower()) or "neither $skipToken nor $skip"
