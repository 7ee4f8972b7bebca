"""Sign requests to Azurite with the storage account's key.

https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import unquote

STANDARD_HEADERS = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)
SERVICE_PREFIX = "x-ms-"


def is_signed(header: str) -> bool:
    """Return whether a header (lower case) is part of the signature."""
    return header in STANDARD_HEADERS or header.startswith(SERVICE_PREFIX)


def sign(account: str, key: str, method: str, path: str, query: str, headers: Mapping[str, str]) -> str:
    """Compute the `Authorization` header of a request.

    Args:
        account: The storage account's name.
        key: Its key, base64.
        method: The HTTP method.
        path: The URL's path, encoded as sent.
        query: The URL's query, encoded as sent.
        headers: All headers as sent, with names in lower case.
    """
    length = headers.get("content-length")
    standard = {**headers, "content-length": "" if length == "0" else length or ""}
    lines = [
        method.upper(),
        *(standard.get(name, "") for name in STANDARD_HEADERS),
        *(f"{name}:{headers[name]}" for name in sorted(headers, key=_order) if name.startswith(SERVICE_PREFIX)),
        f"/{account}{path}",
        *_canonical_query(query),
    ]
    digest = hmac.digest(base64.b64decode(key), "\n".join(lines).encode(), hashlib.sha256)
    return f"SharedKey {account}:{base64.b64encode(digest).decode()}"


def _order(name: str) -> str:
    # Azurite sorts by Unicode collation, where "_" comes before "-", digits and letters.
    return name.replace("_", " ")


def _canonical_query(query: str) -> list[str]:
    # Like Azurite: skip all but name=value pairs; the last of a name wins.
    pairs = [part.split("=") for part in query.split("&")]
    values = {pair[0].lower(): pair[1] for pair in pairs if len(pair) == 2 and pair[0]}
    return [f"{name}:{unquote(values[name].replace('+', '%20'))}" for name in sorted(values)]
