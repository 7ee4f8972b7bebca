"""Inputs at web addresses outside the workspace's storage."""

from __future__ import annotations

import asyncio
import re
import shutil
import zlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote, urlsplit

import httpx

from azureml_emulator.arm.errors import ArmError, bad_request
from azureml_emulator.host_names import BLOB_HOST_SUFFIX, without_root_dot

SCHEMES = ("http", "https")
FILE_NAME = re.compile(r"[\w@%+=:,-][\w@%+=:,.-]{0,199}", re.ASCII)
MAX_REDIRECTS = 5
TOTAL_SECONDS = 600.0
SILENT_SECONDS = 30.0
PIECE_BYTES = 1 << 20
PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


def is_web_address(uri: str, account: str) -> bool:
    """Return whether a URI is a web address outside a storage account.

    Raises:
        ArmError: 400, if it is no URI.
    """
    try:
        parts = urlsplit(uri)
        host = without_root_dot(parts.hostname or "")
    except ValueError:
        raise bad_request(f"{uri!r} is not a URI.") from None
    return parts.scheme in SCHEMES and host not in ("", f"{account}{BLOB_HOST_SUFFIX}")


class WebData:
    """Copies the inputs of one job that are at web addresses.

    They are requested as the job itself could: without credentials, through the proxy of the emulator's environment.

    Args:
        account: The workspace's storage account, which no redirect may lead to.
        local_data: Local files and folders by the address they replace.
        most_gib: How much may be downloaded in all, in GiB.
    """

    def __init__(self, account: str, local_data: Mapping[str, Path], most_gib: float) -> None:
        self._account = account
        self._local_data = local_data
        self._most_gib = most_gib
        self._bytes_left = int(most_gib * (1 << 30))

    async def fetch(self, address: str, folder: Path, *, is_folder: bool) -> Path:
        """Copy what is at a web address into a folder.

        Args:
            address: An http or https address.
            folder: The folder; created if needed.
            is_folder: Whether a folder is wanted, which must be in the local data.

        Returns:
            The copy, under the last name of the address.

        Raises:
            ArmError: If it could not be downloaded.
        """
        target = folder / _file_name(urlsplit(address).path)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            if local := self._local_data.get(without_query(address)):
                await asyncio.to_thread(shutil.copytree if local.is_dir() else shutil.copyfile, local, target)
                return target
            async with asyncio.timeout(TOTAL_SECONDS):
                await self._download(address, target, is_folder=is_folder)
        except TimeoutError:
            problem = f"it took longer than {TOTAL_SECONDS:g} s"
        except httpx.HTTPStatusError as error:
            problem = f"HTTP status {error.response.status_code}"
        # The last two are about the settings of a proxy.
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ImportError, ValueError, zlib.error) as error:
            problem = " ".join(str(error).split()) or type(error).__name__
        else:
            return target
        raise ArmError(
            400,
            "UserError",
            f"{_shown(address)} could not be downloaded: {problem}. Start the emulator with --local-data"
            f" {_shown(address)}=PATH to use a local file or folder instead.",
        )

    async def _download(self, address: str, target: Path, *, is_folder: bool) -> None:
        if is_folder:
            raise OSError("only single files can be, no folders")
        # Nothing compressed: a few bytes of it can be gigabytes.
        headers = {"Accept-Encoding": "identity"}
        async with httpx.AsyncClient(headers=headers, timeout=SILENT_SECONDS) as client:
            request = client.build_request("GET", address)
            for _ in range(1 + MAX_REDIRECTS):
                response = await client.send(request, stream=True)
                try:
                    if response.next_request is None:
                        await self._save(response.raise_for_status(), target)
                        return
                    self._check_redirect(request.url, response.next_request.url)
                    request = response.next_request
                finally:
                    await response.aclose()
        raise OSError(f"more than {MAX_REDIRECTS} redirects")

    def _check_redirect(self, start: httpx.URL, end: httpx.URL) -> None:
        where = f"it is redirected to {_shown(str(end))}"
        if start.scheme == "https" and end.scheme != "https":
            raise OSError(f"{where}, which is not https")
        if not is_web_address(str(end), self._account):
            raise OSError(f"{where}, which is no web address outside the workspace's storage")

    async def _save(self, response: httpx.Response, target: Path) -> None:
        # Said before anything is read; what is not true of it shows when it is read.
        announced = response.headers.get("Content-Length", "0")
        self._check_size(int(announced) if announced.isdecimal() else 0)
        with target.open("wb") as file:
            async for piece in _pieces(response):
                self._check_size(len(piece))
                self._bytes_left -= len(piece)
                file.write(piece)

    def _check_size(self, count: int) -> None:
        if count > self._bytes_left:
            raise OSError(
                f"a job can download {self._most_gib:g} GiB, its inputs are larger; --web-input-gib raises the limit"
            )


def without_query(address: str) -> str:
    """Return an address without its query, which can be a signature, and without a slash at the end."""
    return address.partition("?")[0].rstrip("/")


async def _pieces(response: httpx.Response) -> AsyncIterator[bytes]:
    """Read a body in pieces of limited size: some servers compress it although they were asked not to."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding == "identity":
        async for chunk in response.aiter_raw(PIECE_BYTES):
            yield chunk
        return
    if encoding not in ("gzip", "x-gzip"):
        raise OSError(f"its content is encoded as {encoding!r:.40}")
    unzip = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    async for chunk in response.aiter_raw(PIECE_BYTES):
        rest = chunk
        while rest:
            yield unzip.decompress(rest, PIECE_BYTES)
            rest = unzip.unconsumed_tail
            await asyncio.sleep(0)  # nothing else here waits
    while piece := unzip.decompress(unzip.unconsumed_tail, PIECE_BYTES):
        yield piece
    if not unzip.eof:
        raise OSError("its compressed content ends too early")


def _shown(address: str) -> str:
    """Return an address for a message: a query can hold a signature, a user name a password."""
    parts = urlsplit(address)
    return quote(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}", safe=PRINTABLE)


def _file_name(path: str) -> str:
    """Return the last name of an address; it becomes part of a command, so it must be a plain word."""
    name = PurePosixPath(unquote(path)).name
    return name if FILE_NAME.fullmatch(name) else "data"
