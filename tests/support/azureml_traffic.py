"""Record requests to Azure ML, anonymized, and compare two recordings.

python tests/support/azureml_traffic.py ONE.jsonl OTHER.jsonl
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from requests.adapters import HTTPAdapter

HOSTS = ("management.azure.com", ".azureml.ms", ".inference.ml.azure.com")
SECRET_KEYS = re.compile(r"(?i)key|secret|token|credential|password|sas|etag")
# Ids of people, subscriptions and runs; signatures in addresses.
PATTERNS = (
    (re.compile(r"(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "GUID"),
    (re.compile(r"(?i)(sig|se|st|skoid|sktid)=[^&\"\s]+"), r"\1=REMOVED"),
    (re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+"), "NAME@EXAMPLE"),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)?"), "TIME"),
)
NAMED = re.compile(
    "/(codes|components|data|deployments|environments|experimentids|jobs|models|onlineEndpoints|runs|versions)/[^/]+"
)
LONGEST = 20_000  # characters of a body


@contextmanager
def recording(path: Path, names: Mapping[str, str]) -> Iterator[None]:
    """Write every request of this process to Azure ML into a file, one JSON line each.

    Args:
        path: The file to write.
        names: Replacements of identifying names, by name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    send = HTTPAdapter.send
    with path.open("w") as file:

        def recorded(self: HTTPAdapter, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
            response = send(self, request, *args, **kwargs)
            if urlsplit(str(request.url)).netloc.endswith(HOSTS):
                file.write(json.dumps(_entry(request, response, names)) + "\n")
                file.flush()
            return response

        HTTPAdapter.send = recorded  # type: ignore[method-assign]
        try:
            yield
        finally:
            HTTPAdapter.send = send  # type: ignore[method-assign]


def sanitised(value: Any, names: Mapping[str, str]) -> Any:
    """Return a JSON value without secrets, personal data and identifying names."""
    if isinstance(value, dict):
        return {
            sanitised(key, names): "REMOVED"
            if SECRET_KEYS.search(key) and isinstance(each, str)
            else sanitised(each, names)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [sanitised(each, names) for each in value]
    if not isinstance(value, str):
        return value
    for name, stand_in in names.items():
        value = re.sub(re.escape(name), stand_in, value, flags=re.IGNORECASE)
    for pattern, stand_in in PATTERNS:
        value = pattern.sub(stand_in, value)
    return value


def _entry(request: requests.PreparedRequest, response: requests.Response, names: Mapping[str, str]) -> dict[str, Any]:
    url = urlsplit(str(request.url))
    wanted = ("retry-after", "azure-asyncoperation", "location", "x-ms-error-code", "content-type")
    entry = {
        "method": request.method,
        "host": url.netloc,
        "path": url.path,
        "query": dict(parse_qsl(url.query)),
        "body": _body(request.body),
        "status": response.status_code,
        "headers": {name: response.headers[name] for name in wanted if name in response.headers},
        "answer": _body(response.content),
    }
    cleaned: dict[str, Any] = sanitised(entry, names)
    return cleaned


def _body(raw: Any) -> Any:
    text = raw.decode(errors="replace") if isinstance(raw, bytes) else raw if isinstance(raw, str) else ""
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text[:LONGEST]


def differences(one: Iterable[Mapping[str, Any]], other: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Return, for each operation in both recordings, the statuses and fields that only one has."""
    both = [_by_operation(entries) for entries in (one, other)]
    for operation in sorted(both[0].keys() & both[1].keys()):
        statuses, fields = zip(both[0][operation], both[1][operation], strict=True)
        for kind, (left, right) in (("status", statuses), ("field", fields)):
            if left - right:
                yield f"{operation}: {kind} only in the first: {', '.join(sorted(left - right))}"
            if right - left:
                yield f"{operation}: {kind} only in the second: {', '.join(sorted(right - left))}"
    for number, (left, right) in enumerate((both, both[::-1]), 1):
        for operation in sorted(left.keys() - right.keys()):
            yield f"{operation}: only in recording {number}"


def _by_operation(entries: Iterable[Mapping[str, Any]]) -> dict[str, tuple[set[str], set[str]]]:
    operations: dict[str, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    for entry in entries:
        path = NAMED.sub(r"/\1/NAME", entry["path"])
        statuses, fields = operations[f"{entry['method']} {path} {entry['query'].get('api-version', '')}".strip()]
        statuses.add(str(entry["status"]))
        fields.update(_fields(entry["answer"]))
    return operations


def _fields(value: Any, above: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _fields(each, f"{above}.{key}" if above else key)
    elif isinstance(value, list):
        for each in value[:1]:
            yield from _fields(each, f"{above}[]")
    else:
        yield above or "."


def read(path: Path) -> list[dict[str, Any]]:
    """Read a recording."""
    return [json.loads(line) for line in path.read_text().splitlines()]


if __name__ == "__main__":
    for difference in differences(*(read(Path(name)) for name in sys.argv[1:3])):
        print(difference)  # noqa: T201
