"""Signatures are those of azure-storage-blob, wherever Azurite agrees with it."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.pipeline import PipelineContext, PipelineRequest
from azure.core.pipeline.transport import HttpRequest
from azure.storage.blob import BlobServiceClient

from azureml_emulator.storage.shared_key import sign

URL = "https://account.blob.core.windows.net"
KEY = "a2V5"
DATED = {"x-ms-date": "Fri, 27 Nov 2026 22:00:00 GMT", "x-ms-version": "2025-11-05"}


def sdk_signature(method: str, url: str, headers: dict[str, str]) -> str:
    client: Any = BlobServiceClient(URL, {"account_name": "account", "account_key": KEY})
    request: PipelineRequest[HttpRequest] = PipelineRequest(HttpRequest(method, url, headers), PipelineContext(None))
    # The policy that signs, among those that a request goes through.
    policies = [getattr(policy, "_policy", None) for policy in client._pipeline._impl_policies]
    (policy,) = [policy for policy in policies if type(policy).__name__ == "SharedKeyCredentialPolicy"]
    policy.on_request(request)
    return str(request.http_request.headers["Authorization"])


@pytest.mark.parametrize(
    ("method", "path", "query", "headers"),
    [
        ("GET", "/", "comp=list", {}),
        ("GET", "/c", "restype=container&comp=list&prefix=a%2Fb%20c&delimiter=%2F", {}),
        ("PUT", "/c/a%20b/%C3%BC", "", {"content-length": "0", "x-ms-blob-type": "BlockBlob"}),
        (
            "PUT",
            "/c/b",
            "blockid=QUE%3D&comp=block",
            {"content-length": "5", "content-type": "application/octet-stream"},
        ),
        ("DELETE", "/c/b", "", {"if-match": '"0x1"', "if-modified-since": "Fri, 27 Nov 2026 22:00:00 GMT"}),
        ("PUT", "/c/b", "comp=metadata", {"x-ms-meta-b": "2", "x-ms-meta-a": "v: w", "content-length": "0"}),
    ],
)
def test_a_signature_is_that_of_the_sdk(method: str, path: str, query: str, headers: dict[str, str]) -> None:
    headers = {**DATED, **headers}
    url = f"{URL}{path}" + (f"?{query}" if query else "")

    assert sign("account", KEY, method, path, query, headers) == sdk_signature(method, url, headers)


def test_headers_are_sorted_as_azurite_sorts_them() -> None:
    def signature(*names: str) -> str:
        return sign("account", KEY, "PUT", "/c/b", "", dict.fromkeys(names, "1"))

    names = ("x-ms-meta-a_b", "x-ms-meta-ab", "x-ms-meta-a1", "x-ms-meta-a")
    assert len({signature(*names), signature(*reversed(names))}) == 1
