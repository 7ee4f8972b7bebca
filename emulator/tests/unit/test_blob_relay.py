"""Who the relay lets through to Azurite, and how. A recorded answer stands in for Azurite."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import jwt
import pytest

from azureml_emulator.hosts.identity import STORAGE_AUDIENCE, Tokens
from azureml_emulator.machine.certificates import make_certificates
from azureml_emulator.settings import Settings
from azureml_emulator.storage.azurite import StorageAccount
from azureml_emulator.storage.relay import BlobRelay
from azureml_emulator.storage.shared_key import sign

from .conftest import Clock

pytestmark = pytest.mark.anyio

ACCOUNT = StorageAccount("account", base64.b64encode(b"key").decode(), 1)
HOST = "account.blob.core.windows.net"
OTHER_TENANT = "00000000-0000-0000-0000-00000000000f"


class Done(httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"done"


class Relay:
    """The relay, and what comes out of it.

    Attributes:
        passed_on: The requests that Azurite would get.
    """

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(folder)
        self.clock = Clock()
        self.tokens = Tokens(self.settings, self.clock)
        self.passed_on: list[tuple[httpx.Request, bytes]] = []
        relay = BlobRelay(ACCOUNT, make_certificates(folder / "certificates", "eastus"), self.tokens, "tenant")
        relay._client = httpx.AsyncClient(transport=httpx.MockTransport(self._keep))
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(relay), base_url=f"https://{HOST}")

    async def _keep(self, request: httpx.Request) -> httpx.Response:
        self.passed_on.append((request, await request.aread()))
        return httpx.Response(201, stream=Done(), headers={"x-ms-request-id": "7"})

    def signed(self, request: httpx.Request) -> str:
        """The signature that Azurite wants of a request."""
        path, _, query = request.extensions["target"].decode().partition("?")
        return sign(ACCOUNT.name, ACCOUNT.key, request.method, path, query, dict(request.headers))


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    return Relay(tmp_path)


def unsigned(claims: dict[str, object]) -> str:
    def part(document: dict[str, object]) -> str:
        return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}."


def forged_tokens(relay: Relay) -> dict[str, str]:
    good = relay.tokens.issue(STORAGE_AUDIENCE)
    claims = jwt.decode(good, options={"verify_signature": False})

    def ours(**changed: object) -> str:
        return jwt.encode({**claims, **changed}, relay.tokens._key, "HS256")

    return {
        "nothing": "",
        "no token": "hello",
        "nobody signed": unsigned(claims),
        "signature cut off": good.rpartition(".")[0] + ".",
        "another key": jwt.encode(claims, b"x" * 32, "HS256"),
        "another emulator": Tokens(relay.settings, relay.clock).issue(STORAGE_AUDIENCE),
        "another algorithm": jwt.encode(claims, relay.tokens._key, "HS384"),
        "for Resource Manager": relay.tokens.issue("https://management.azure.com"),
        "for scoring": relay.tokens.issue("https://ml.azure.com"),
        "for another account": relay.tokens.issue("https://other.blob.core.windows.net"),
        "audience as a list": ours(aud=[STORAGE_AUDIENCE]),
        "another issuer": ours(iss="https://sts.windows.net/other/"),
        "another tenant": ours(tid=OTHER_TENANT),
        "expired": ours(exp=int(relay.clock())),
        "without an end": jwt.encode({k: v for k, v in claims.items() if k != "exp"}, relay.tokens._key, "HS256"),
        "not valid yet": ours(nbf=int(relay.clock()) + 60),
    }


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
async def test_a_token_that_is_not_good_is_refused_as_azure_does(relay: Relay, scheme: str) -> None:
    for what, token in forged_tokens(relay).items():
        answer = await relay.http.get("/c?restype=container&comp=list", headers={"authorization": f"{scheme} {token}"})

        assert (answer.status_code, answer.headers["x-ms-error-code"]) == (401, "InvalidAuthenticationInfo"), what
        assert f"resource_id={STORAGE_AUDIENCE}" in answer.headers["www-authenticate"]
        assert "<Code>InvalidAuthenticationInfo</Code>" in answer.text
    assert relay.passed_on == []


@pytest.mark.parametrize("audience", [STORAGE_AUDIENCE, f"{STORAGE_AUDIENCE}/", f"https://{HOST}"])
async def test_a_good_token_becomes_a_signature(relay: Relay, audience: str) -> None:
    token = f"Bearer {relay.tokens.issue(audience)}"

    answer = await relay.http.put("/c/a%20b//..%2F?comp=block", content=b"hello", headers={"authorization": token})

    assert (answer.status_code, answer.content, answer.headers["x-ms-request-id"]) == (201, b"done", "7")
    ((request, body),) = relay.passed_on
    assert body == b"hello"
    assert request.extensions["target"] == b"/c/a%20b//..%2F?comp=block"
    assert request.headers["authorization"] == relay.signed(request)
    assert token not in str(request.headers.raw)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/c/b", {"authorization": "SharedKey account:c2ln", "date": "Fri, 27 Nov 2026 22:00:00 GMT"}),
        ("/c/b", {"authorization": "SharedKeyLite account:c2ln"}),
        ("/c/b?sv=2025-01-05&sig=abc%3D", {}),
        ("/c/b?sv=2025-01-05&sig=abc%3D", {"authorization": "Bearer nonsense"}),
        ("/c/b", {}),
    ],
)
async def test_what_azurite_checks_goes_on_as_it_is(relay: Relay, path: str, headers: dict[str, str]) -> None:
    await relay.http.get(path, headers=headers)

    ((request, _),) = relay.passed_on
    assert request.extensions["target"] == path.encode()
    assert {name: request.headers[name] for name in headers} == headers
    assert headers.get("authorization") == request.headers.get("authorization")


@pytest.mark.parametrize(
    "headers",
    [
        [("authorization", "Bearer TOKEN"), ("authorization", "SharedKey account:c2ln")],
        [("authorization", "Bearer TOKEN"), ("content-length", "5"), ("transfer-encoding", "chunked")],
        [("authorization", "Bearer TOKEN"), ("x-ms-copy-source", "a"), ("x-ms-copy-source", "b")],
        [("content-length", "5"), ("transfer-encoding", "chunked")],
    ],
)
async def test_what_two_servers_may_read_differently_is_refused(relay: Relay, headers: list[tuple[str, str]]) -> None:
    token = relay.tokens.issue(STORAGE_AUDIENCE)
    headers = [(name, value.replace("TOKEN", token)) for name, value in headers]

    answer = await relay.http.send(httpx.Request("PUT", f"https://{HOST}/c/b", headers=headers, content=b"hello"))

    assert (answer.status_code, answer.headers["connection"]) == (400, "close")
    assert relay.passed_on == []


@pytest.mark.parametrize("credential", ["Bearer TOKEN", "SharedKey account:c2ln"])
async def test_nobody_opens_a_container_to_everybody(relay: Relay, credential: str) -> None:
    credential = credential.replace("TOKEN", relay.tokens.issue(STORAGE_AUDIENCE))
    headers = {"authorization": credential, "x-ms-blob-public-access": "container"}

    answer = await relay.http.put("/c?restype=container&comp=acl", headers=headers)

    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (409, "PublicAccessNotPermitted")
    assert relay.passed_on == []


def batch(*authorizations: str) -> bytes:
    parts = "".join(
        f"--b\r\nContent-Type: application/http\r\nContent-ID: {number}\r\n\r\n"
        f"DELETE /c/{number}?snapshot=1 HTTP/1.1\r\nx-ms-date: Fri, 27 Nov 2026 22:00:00 GMT\r\n{each}"
        "Content-Length: 0\r\n\r\n\r\n"
        for number, each in enumerate(authorizations)
    )
    return f"{parts}--b--\r\n".encode()


async def ask_batch(relay: Relay, content: bytes) -> httpx.Response:
    headers = {
        "authorization": f"Bearer {relay.tokens.issue(STORAGE_AUDIENCE)}",
        "content-type": "multipart/mixed; boundary=b",
    }
    return await relay.http.post("/?comp=batch", content=content, headers=headers)


async def test_each_part_of_a_batch_is_signed_or_left_alone(relay: Relay) -> None:
    token = f"Authorization: Bearer {relay.tokens.issue(STORAGE_AUDIENCE)}\r\n"

    answer = await ask_batch(relay, batch(token, "", "Authorization: SharedKey account:c2ln\r\n"))

    assert answer.status_code == 201
    ((request, body),) = relay.passed_on
    assert int(request.headers["content-length"]) == len(body)
    date = {"x-ms-date": "Fri, 27 Nov 2026 22:00:00 GMT", "content-length": "0"}
    expected = sign(ACCOUNT.name, ACCOUNT.key, "DELETE", "/c/0", "snapshot=1", date)
    credentials = [line for line in body.decode().split("\r\n") if line.lower().startswith("authorization")]
    assert credentials == [f"authorization: {expected}", "Authorization: SharedKey account:c2ln"]
    assert b"Bearer" not in body


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (batch("Authorization: Bearer nonsense\r\n"), 401),
        (batch("Authorization: SharedKey a\r\nauthorization: SharedKey b\r\n"), 400),
        (b"--b\r\nhello\r\n--b--\r\n", 400),
        (b"\xff", 400),
        (b"x" * (4 * 1024 * 1024 + 1), 413),
    ],
)
async def test_a_batch_that_is_not_good_is_refused_as_a_whole(relay: Relay, content: bytes, status: int) -> None:
    assert (await ask_batch(relay, content)).status_code == status
    assert relay.passed_on == []
