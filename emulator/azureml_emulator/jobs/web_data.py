"""Inputs at web addresses outside the workspace's storage."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import httpx

from azureml_emulator.arm.errors import ArmError, bad_request

SCHEMES = ("http", "https")
FILE_NAME = re.compile(r"[\w@%+=:,-][\w@%+=:,.-]*", re.ASCII)
MAX_BYTES = 4 << 30
MAX_REDIRECTS = 5
TOTAL_SECONDS = 600.0
SILENT_SECONDS = 30.0


def is_web_address(uri: str, account: str) -> bool:
    """Return whether a URI is a web address outside a storage account.

    Raises:
        ArmError: 400, if it is no URI.
    """
    try:
        parts = urlsplit(uri)
        host = parts.hostname
    except ValueError:
        raise bad_request(f"{uri!r} is not a URI.") from None
    return parts.scheme in SCHEMES and host not in (None, f"{account}.blob.core.windows.net")


async def fetch(address: str, folder: Path, local_data: Mapping[str, Path], *, is_folder: bool) -> Path:
    """Copy what is at a web address into a folder.

    It is requested as the job itself could: without credentials, through the proxy of the emulator's environment.

    Args:
        address: An http or https address.
        folder: The folder; created if needed.
        local_data: Local files and folders by the address they replace.
        is_folder: Whether a folder is wanted, which must be in `local_data`.

    Returns:
        The copy, under the last name of the address.

    Raises:
        ArmError: If it could not be downloaded.
    """
    parts = urlsplit(address)
    # A query can hold a signature, a user name a password: they are in no message.
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    target = folder / _file_name(parts.path)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if local := local_data.get(without_query(address)):
            await asyncio.to_thread(shutil.copytree if local.is_dir() else shutil.copyfile, local, target)
            return target
        async with asyncio.timeout(TOTAL_SECONDS):
            await _download(address, target, is_folder=is_folder)
    except TimeoutError:
        problem = f"it took longer than {TOTAL_SECONDS:g} s"
    except httpx.HTTPStatusError as error:
        problem = f"HTTP status {error.response.status_code}"
    # The last two are about the settings of a proxy.
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ImportError, ValueError) as error:
        problem = " ".join(str(error).split()) or type(error).__name__
    else:
        return target
    raise ArmError(
        400,
        "UserError",
        f"{shown} could not be downloaded: {problem}. Start the emulator with --local-data {shown}=PATH to use a local"
        " file or folder instead.",
    )


def without_query(address: str) -> str:
    """Return an address without its query, which can be a signature, and without a slash at the end."""
    return address.partition("?")[0].rstrip("/")


async def _download(address: str, target: Path, *, is_folder: bool) -> None:
    if is_folder:
        raise OSError("only single files can be, no folders")
    async with (
        httpx.AsyncClient(follow_redirects=True, max_redirects=MAX_REDIRECTS, timeout=SILENT_SECONDS) as client,
        client.stream("GET", address) as response,
    ):
        response.raise_for_status()
        written = 0
        with target.open("wb") as file:
            async for chunk in response.aiter_bytes():
                written += len(chunk)
                if written > MAX_BYTES:
                    raise OSError(f"it is larger than {MAX_BYTES >> 30} GiB")
                file.write(chunk)


def _file_name(path: str) -> str:
    """Return the last name of an address; it becomes part of a command, so it must be a plain word."""
    name = PurePosixPath(unquote(path)).name
    return name if FILE_NAME.fullmatch(name) else "data"
