"""The blob host: check tokens and pass requests on to Azurite."""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from email.utils import formatdate

import httpx
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from azureml_emulator.arm.errors import ArmError
from azureml_emulator.host_names import BLOB_HOST_SUFFIX, LOGIN_HOST
from azureml_emulator.hosts import blob_batches
from azureml_emulator.hosts.errors import host_error
from azureml_emulator.machine.certificates import Certificates
from azureml_emulator.machine.http_protocol import header_names_of
from azureml_emulator.storage import shared_key
from azureml_emulator.storage.azurite import StorageAccount
from azureml_emulator.tokens import STORAGE_AUDIENCE, Tokens, is_bearer

SECONDS = 60.0
# Headers of a single connection.
HOP_BY_HOP = {
    "connection",
    "expect",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
# The server sets its own date.
NOT_PASSED_BACK = {*HOP_BY_HOP, "date"}
PUBLIC_ACCESS = "x-ms-blob-public-access"


class BlobRelay:
    """An ASGI app that passes requests on to Azurite.

    A request signed with the account's key or a shared access signature is passed on unchanged: Azurite checks it. A
    bearer token is checked here, then the request is signed with the account's key.
    """

    def __init__(self, storage: StorageAccount, certificates: Certificates, tokens: Tokens, tenant_id: str) -> None:
        self._storage = storage
        self._tokens = tokens
        self._audiences = (STORAGE_AUDIENCE, f"https://{storage.name}{BLOB_HOST_SUFFIX}")
        # azure-storage-blob reads from it which token to get.
        self._challenge = (
            f"Bearer authorization_uri=https://{LOGIN_HOST}/{tenant_id}/oauth2/authorize resource_id={STORAGE_AUDIENCE}"
        )
        self._client = httpx.AsyncClient(
            verify=ssl.create_default_context(cafile=str(certificates.authority)),
            timeout=SECONDS,
            limits=httpx.Limits(max_connections=None, keepalive_expiry=1.0),
            trust_env=False,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream a request to Azurite and its response back."""
        request = Request(scope, receive)
        try:
            await self._answer(request, send)
        except ArmError as refusal:
            await _error_response(request, refusal)(scope, receive, send)
        except ClientDisconnect:
            pass  # no client to answer

    async def close(self) -> None:
        """Close the connections to Azurite."""
        await self._client.aclose()

    async def _answer(self, request: Request, send: Send) -> None:
        _refuse_ambiguity(request)
        if PUBLIC_ACCESS in request.headers:
            raise ArmError(409, "PublicAccessNotPermitted", "Public access is not permitted on this storage account.")
        headers = {name: value for name, value in request.headers.items() if name not in HOP_BY_HOP}
        has_body = not {"content-length", "transfer-encoding"}.isdisjoint(request.headers)
        content: AsyncIterator[bytes] | bytes | None = request.stream() if has_body else None
        if "sig" not in request.query_params and is_bearer(request.headers.get("authorization", "")):
            self._check_token(headers["authorization"])
            if blob_batches.is_batch(request):
                content = await blob_batches.sign_parts(request, self._sign_part)
                headers["content-length"] = str(len(content))
            headers = self._signed(request.method, _target(request), headers)
        await self._pass_on(request, headers, content, send)

    def _check_token(self, authorization: str) -> None:
        try:
            self._tokens.check(authorization, self._audiences)
        except ArmError as refusal:
            challenge = {"WWW-Authenticate": self._challenge}
            raise ArmError(401, "InvalidAuthenticationInfo", refusal.message, challenge) from None

    def _sign_part(self, method: str, target: str, headers: Mapping[str, str]) -> Mapping[str, str]:
        self._check_token(headers["authorization"])
        return self._signed(method, target, headers)

    def _signed(self, method: str, target: str, headers: Mapping[str, str]) -> dict[str, str]:
        dated = {"x-ms-date": formatdate(usegmt=True), **headers}
        path, _, query = target.partition("?")
        signature = shared_key.sign(self._storage.name, self._storage.key, method, path, query, dated)
        return {**dated, "authorization": signature}

    async def _pass_on(
        self, request: Request, headers: Mapping[str, str], content: AsyncIterator[bytes] | bytes | None, send: Send
    ) -> None:
        # Metadata names are header names and keep their case.
        spelling = header_names_of(request.scope)
        passed_on = httpx.Request(
            request.method,
            f"https://127.0.0.1:{self._storage.port}",
            headers=[
                (spelling.get(name, name).encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()
            ],
            content=content,
            # Unchanged: a signature covers it.
            extensions={"target": _target(request).encode("latin-1")},
        )
        try:
            answer = await self._client.send(passed_on, stream=True)
        except httpx.TransportError as error:
            raise ArmError(503, "ServerBusy", f"Azurite did not answer: {type(error).__name__}.") from error
        try:
            response = StreamingResponse(answer.aiter_raw(), answer.status_code)
            response.raw_headers = [
                (name, value)
                for name, value in answer.headers.raw
                if name.decode("latin-1").lower() not in NOT_PASSED_BACK
            ]
            await response(request.scope, request.receive, send)
        finally:
            await answer.aclose()


def _target(request: Request) -> str:
    """Return the request's path and query exactly as sent."""
    raw = request.scope["raw_path"] + (b"?" + request.scope["query_string"] if request.scope["query_string"] else b"")
    return str(raw, "latin-1")


def _refuse_ambiguity(request: Request) -> None:
    """Refuse requests that this server and Azurite could read differently.

    Raises:
        ArmError: 400, with what is ambiguous.
    """
    counts = Counter(name for name, _ in request.headers.items())
    repeated = [
        name for name, count in counts.items() if count > 1 and (name == "authorization" or shared_key.is_signed(name))
    ]
    if repeated:
        problem = f"The header {repeated[0]} is repeated."
    elif {"content-length", "transfer-encoding"} <= counts.keys():
        problem = "The request has both Content-Length and Transfer-Encoding."
    elif not request.scope["raw_path"].startswith(b"/"):
        problem = "The request's target is not a path."
    else:
        return
    raise ArmError(400, "InvalidInput", problem, {"Connection": "close"})


def _error_response(request: Request, refusal: ArmError) -> Response:
    host = request.url.hostname or ""
    return host_error(host, refusal.status, refusal.code, refusal.message, refusal.headers or {})
