"""Blob batches: one request with up to 256 others, each with its own credentials."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.requests import Request

from azureml_emulator.arm.errors import ArmError
from azureml_emulator.tokens import is_bearer

MAX_BYTES = 4 * 1024 * 1024
"""The service's size limit of a batch."""
LINE_END = "\r\n"

SignPart = Callable[[str, str, Mapping[str, str]], Mapping[str, str]]
"""Takes method, target and headers; returns the headers with the token replaced by a signature."""


def is_batch(request: Request) -> bool:
    """Return whether a blob request is a batch."""
    return request.query_params.get("comp") == "batch"


async def sign_parts(request: Request, sign: SignPart) -> bytes:
    """Replace the bearer tokens of a batch's parts by signatures.

    Args:
        request: The batch, parsed as Azurite does.
        sign: Checks a part's token and signs the part.

    Returns:
        The batch's new body. Parts without a token are unchanged: Azurite checks them.

    Raises:
        ArmError: If it is not a batch, or a token is refused.
    """
    try:
        body = (await _read(request)).decode()
    except UnicodeDecodeError:
        raise _not_a_batch("it is not UTF-8") from None
    boundary = request.headers.get("content-type", "").split("=")[1:2]
    if not boundary:
        raise _not_a_batch("its Content-Type has no boundary")
    opening, closing = f"--{boundary[0]}{LINE_END}", f"--{boundary[0]}--"
    preamble, *parts = body.split(closing)[0].split(opening)
    return (opening.join([preamble, *(_sign_part(part, sign) for part in parts)]) + closing + LINE_END).encode()


async def _read(request: Request) -> bytes:
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > MAX_BYTES:
            raise ArmError(413, "RequestBodyTooLarge", f"A batch has at most {MAX_BYTES} bytes.")
    return bytes(content)


def _sign_part(part: str, sign: SignPart) -> str:
    lines = part.split(LINE_END)
    try:
        start = lines.index("") + 1
        method, target, _ = lines[start].split(" ")
        end = lines.index("", start)
        fields = [line.split(": ", 1) for line in lines[start + 1 : end]]
        headers = {name.lower(): value for name, value in fields}
    except (ValueError, IndexError):
        raise _not_a_batch("one of its parts is not an HTTP request") from None
    if len(headers) != len(fields):
        raise _not_a_batch("one of its parts has a header twice")
    if not is_bearer(headers.get("authorization", "")):
        return part
    signed = sign(method, target, headers)
    return LINE_END.join([*lines[: start + 1], *(f"{name}: {value}" for name, value in signed.items()), *lines[end:]])


def _not_a_batch(problem: str) -> ArmError:
    return ArmError(400, "InvalidInput", f"The body is not a batch: {problem}.", {"Connection": "close"})
