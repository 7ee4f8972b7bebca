"""A double of one blob container over HTTPS, for the real storage client.

It lists, reads with ranges, and writes whole or staged blobs; it records how requests were signed: key, SAS or token.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote
from xml.sax.saxutils import escape

import pytest
from azure.ai.ml.entities import (
    AccountKeyConfiguration,
    AzureBlobDatastore,
    NoneCredentialConfiguration,
    SasTokenConfiguration,
)
from azure.core.pipeline.transport import HttpTransport

from azure_errors import response_error
from azure_manager import Identity
from http_double import Request, Response
from https_double import answer_https
from kfp_azureml.azureml import blobs

ACCOUNT_KEY = "a2V5LW9mLW5vLXJlYWwtYWNjb3VudC0wMTIzNDU2Nzg5"
SIGNATURE = "c2lnbmF0dXJlLW9mLW5vLXJlYWwtYWNjb3VudA=="
SIGNED_BY = {
    "key": AccountKeyConfiguration(account_key=ACCOUNT_KEY),
    "signature": SasTokenConfiguration(sas_token=f"sv=2025-01-05&sr=c&sig={SIGNATURE}"),
    "identity": NoneCredentialConfiguration(),
}


@dataclass
class Container:
    """State and received requests.

    Attributes:
        blobs: Contents by name.
        written: Time of writing in hours by name; 0 by default.
        asked: Received requests, as `METHOD name`.
        signed: How each request was signed.
        failing: Returns a response instead of its own, or None.
    """

    blobs: dict[str, bytes] = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    signed: set[str] = field(default_factory=set)
    failing: Callable[[str], Response | None] = lambda _asked: None

    @property
    def uploads(self) -> list[str]:
        """Names of written blobs, in order."""
        return [asked.removeprefix("PUT ") for asked in self.asked if asked.startswith("PUT ")]

    def answer(self, request: Request) -> Response | None:
        """Respond as a storage account does."""
        assert request.host == "account.blob.core.windows.net"
        container, _, name = unquote(request.path).lstrip("/").partition("/")
        assert container == "container"
        self.signed.add(_signed_by(request))
        self.asked.append(f"{request.method} {name}")
        failed = self.failing(self.asked[-1])
        if failed is not None:
            return failed
        if request.method == "PUT":
            self.blobs[name] = request.body
            return Response(201, b"", headers={"ETag": "1", "x-ms-request-server-encrypted": "true"})
        return self._read(name, request.headers) if name else self._list(request.query["prefix"][0])

    def _read(self, name: str, headers: Any) -> Response:
        if name not in self.blobs:
            return _refusal(404, "BlobNotFound")
        content = self.blobs[name]
        begin, end = 0, len(content) - 1
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", headers.get("x-ms-range", headers.get("Range", "")))
        if wanted:
            begin, end = int(wanted[1]), min(end, int(wanted[2] or end))
            if begin >= len(content):
                return _refusal(416, "InvalidRange")
        described = {
            "Content-Range": f"bytes {begin}-{end}/{len(content)}",
            "ETag": "1",
            "x-ms-blob-type": "BlockBlob",
            "Last-Modified": _moment(self.written.get(name, 0)),
        }
        return Response(206 if wanted else 200, content[begin : end + 1], "application/octet-stream", described)

    def _list(self, prefix: str) -> Response:
        listed = "".join(
            f"<Blob><Name>{escape(name)}</Name><Properties><BlobType>BlockBlob</BlobType>"
            f"<Content-Length>{len(content)}</Content-Length>"
            f"<Last-Modified>{_moment(self.written.get(name, 0))}</Last-Modified></Properties></Blob>"
            for name, content in self.blobs.items()
            if name.startswith(prefix)
        )
        document = f"<EnumerationResults><Blobs>{listed}</Blobs><NextMarker/></EnumerationResults>"
        return Response(200, document.encode(), "application/xml")


class Datastores:
    """The SDK's operations on datastores; every name is the one container.

    Attributes:
        signed_by: Kind of credentials, a key of `SIGNED_BY`.
        asked: Names that were read.
        failing: Exception to raise instead.
    """

    def __init__(self) -> None:
        self.signed_by = "key"
        self.asked: list[str] = []
        self.failing: list[int] = []

    def get(self, name: str, *, include_secrets: bool) -> AzureBlobDatastore:
        assert include_secrets
        self.asked.append(name)
        if self.failing:
            raise response_error(self.failing.pop(0))
        return AzureBlobDatastore(
            name=name, account_name="account", container_name="container", credentials=SIGNED_BY[self.signed_by]
        )

    def get_default(self, *, include_secrets: bool) -> AzureBlobDatastore:
        return self.get("workspaceblobstore", include_secrets=include_secrets)


def contain(monkeypatch: pytest.MonkeyPatch) -> tuple[Container, SimpleNamespace]:
    """Return the double and a client of a workspace with it as storage, until the test ends."""
    container = Container()
    answer_https(monkeypatch, container.answer)
    monkeypatch.setattr(blobs, "credential", Identity)
    monkeypatch.setattr(HttpTransport, "sleep", lambda _transport, _seconds: None)
    return container, SimpleNamespace(datastores=Datastores())


def refused(status: int = 403, code: str = "AuthorizationPermissionMismatch") -> Response:
    """Return an error response."""
    return _refusal(status, code)


def _signed_by(request: Request) -> str:
    if request.query.get("sig") == [SIGNATURE]:
        return "signature"
    kind = request.headers["Authorization"].split()[0]
    return {"SharedKey": "key", "Bearer": "identity"}[kind]


def _refusal(status: int, code: str) -> Response:
    said = f"<Error><Code>{code}</Code><Message>what the storage says</Message></Error>"
    return Response(status, said.encode(), "application/xml", {"x-ms-error-code": code})


def _moment(hours: int) -> str:
    return format_datetime(datetime(2026, 1, 1, hours, tzinfo=UTC), usegmt=True)
