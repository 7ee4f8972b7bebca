"""Where input data lies - a local folder, a web address, an object store - and how its files are opened as streams."""

from __future__ import annotations

import io
import logging
import string
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from kfp_azureml.azcreds import service_principal
from kfp_azureml.errors import DataError, first_line

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

AZURE_SCHEMES = ("abfs", "abfss", "az")
TIMEOUT_SECONDS = 60
BLOCK_BYTES = 4 << 20
ABSENT_STATUSES = (404, 410)
# S3 answers this for a name it does not have to whoever may not list: so the next name has to be tried.
REFUSED_STATUS = 403
# Of a web server that may answer in a moment; the drivers of object stores repeat such requests by themselves.
TRANSIENT_STATUSES = (408, 429, 500, 502, 503, 504)
TRIES = 4
PAUSE_SECONDS = 2.0  # doubled each time

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """A folder of input data.

    Attributes:
        uri: What messages call it: without query and user, which may hold secrets.
        open_raw: Opens a file by its name, unbuffered.
        failures: What `open_raw` and reading may raise.
    """

    uri: str
    open_raw: Callable[[str], Any]
    failures: tuple[type[Exception], ...]

    def open(self, names: Sequence[str]) -> InputStream:
        """Open the first of some names that is there.

        Args:
            names: File names, the likeliest first.

        Raises:
            DataError: If none is there, or the source cannot be read.
        """
        refusal: Exception | None = None
        for name in names:
            try:
                return InputStream(self.open_raw(name), f"{self.uri}/{name}", self.failures)
            except self.failures as error:
                status = getattr(error, "status_code", None) or getattr(error, "code", None)
                if isinstance(error, PermissionError) or status == REFUSED_STATUS:
                    refusal = error
                elif not isinstance(error, FileNotFoundError) and status not in ABSENT_STATUSES:
                    raise _unreadable(self.uri, error) from error
        looked_for = f"no {names[0]} there (looked for {', '.join(names)})"
        raise DataError(f"{self.uri}: {looked_for}" + (f": {first_line(refusal)}" if refusal else ""))


class InputStream(io.BufferedReader):
    """A file of a source, read forwards once; failing to read it is one line that names it.

    Attributes:
        name: The file's address.
    """

    def __init__(self, raw: Any, name: str, failures: tuple[type[Exception], ...]) -> None:
        super().__init__(_Readable(raw, name, failures), buffer_size=1 << 20)


class _Readable(io.RawIOBase):
    def __init__(self, raw: Any, name: str, failures: tuple[type[Exception], ...]) -> None:
        self._raw = raw
        self.name = name
        self._failures = failures

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        try:
            size: int = self._raw.readinto(buffer)
        except self._failures as error:
            raise _unreadable(self.name, error) from error
        return size

    def close(self) -> None:
        self._raw.close()
        super().close()


def is_azureml_name(input_data: str) -> bool:
    """Say whether a folder is named as in Azure ML, where its address has to be looked up first."""
    return input_data.startswith("azureml:")


def open_source(input_data: str, *, use_azure_credentials: bool = False) -> Source:
    """Find out how the files of a folder are opened.

    Args:
        input_data: The folder: a local path, or a URI with the scheme file, http, https, wasbs, or any that fsspec has
            a driver for, such as abfss, az and s3. File names are appended to its path.
        use_azure_credentials: Read Azure storage with the service principal of AZ_TENANT_ID, AZ_CLIENT_ID and
            AZ_CLIENT_SECRET, or where none of these is set, with workload identity or whatever else Azure's default
            chain finds. Otherwise Azure storage is read anonymously or as adlfs' own AZURE_STORAGE_... variables say.

    Raises:
        DataError: If the folder is missing, or the URI's scheme is not known.
        CredentialsError: If only some of the credentials are set.
    """
    if not input_data:
        raise DataError("input_data is empty: name a folder or a URI with the four idx files")
    if "://" not in input_data:
        return _local_folder(Path(input_data))
    try:
        parts = urlsplit(input_data)
    except ValueError as error:
        raise DataError(f"input_data is not a proper URI ({error})") from error
    match parts.scheme:
        case "file":
            return _local_folder(Path(unquote(parts.path)))
        case "http" | "https":
            return _web_folder(input_data)
        case "wasbs":
            return _object_store(abfss_uri(input_data), use_azure_credentials)
        case _:
            return _object_store(input_data, use_azure_credentials)


def abfss_uri(wasbs_uri: str) -> str:
    """Return the address of the same folder for the driver of today.

    Args:
        wasbs_uri: wasbs://CONTAINER@ACCOUNT.blob.core.windows.net/PATH
    """
    parts = urlsplit(wasbs_uri)
    return urlunsplit(parts._replace(scheme="abfss", netloc=parts.netloc.replace(".blob.", ".dfs.", 1)))


def _local_folder(folder: Path) -> Source:
    if not folder.is_dir():
        what = "not a folder" if folder.exists() else "no such folder"
        raise DataError(f"{folder}: {what}; input_data names the folder of the four idx files")
    return Source(str(folder), lambda name: (folder / name).open("rb", buffering=0), (OSError,))


def _web_folder(url: str) -> Source:
    # The standard library's client, not fsspec's: it streams without a thread between, follows the proxy variables
    # and has no limit on the total time.
    from http.client import HTTPException
    from urllib.request import urlopen

    parts = urlsplit(url)
    shown = _without_secrets(url)

    def open_raw(name: str) -> Any:
        address = urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{name}"))
        escaped = quote(address, safe=string.punctuation)  # spaces and the like; what is escaped already stays
        for pause in (PAUSE_SECONDS * 2**number for number in range(TRIES - 1)):
            try:
                return urlopen(escaped, timeout=TIMEOUT_SECONDS)  # noqa: S310 - the scheme has been looked at
            except OSError as error:
                if not _is_transient(error):
                    raise
                logger.warning("%s/%s: %s; again in %g s", shown, name, first_line(error), pause)
                time.sleep(pause)
        return urlopen(escaped, timeout=TIMEOUT_SECONDS)  # noqa: S310

    return Source(shown, open_raw, (OSError, HTTPException))


def _is_transient(error: OSError) -> bool:
    """Say whether a web server may answer in a moment; a name or a port that is not there is the user's mistake."""
    status = getattr(error, "code", None)
    lost = getattr(error, "reason", None) if status is None else None
    return status in TRANSIENT_STATUSES or isinstance(lost or error, (ConnectionResetError, TimeoutError))


def _object_store(uri: str, use_azure_credentials: bool) -> Source:
    import fsspec

    scheme = urlsplit(uri).scheme
    shown = _without_secrets(uri)
    options = _azure_options(use_azure_credentials) if scheme in AZURE_SCHEMES else {}
    try:
        filesystem, root = fsspec.url_to_fs(uri.rstrip("/"), **options)
    except (ValueError, ImportError) as error:
        raise DataError(f"{shown}: {first_line(error)}") from error

    def open_raw(name: str) -> Any:
        return filesystem.open(f"{root}/{name}", "rb", block_size=BLOCK_BYTES, cache_type="readahead")

    return Source(shown, open_raw, (OSError, *_driver_failures(scheme)))


def _azure_options(use_credentials: bool) -> dict[str, str | bool]:
    """Return adlfs' arguments, which name a service principal as we do; see `open_source`."""
    if not use_credentials:
        return {"anon": True}
    principal = service_principal()
    return vars(principal) if principal else {"anon": False}


def _driver_failures(scheme: str) -> tuple[type[Exception], ...]:
    """Return what the driver of a scheme raises beside OSError."""
    if scheme in AZURE_SCHEMES:
        from azure.core.exceptions import AzureError

        return (AzureError,)
    if scheme in ("s3", "s3a"):
        from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

        return (BotoCoreError, ClientError)
    return ()


def _unreadable(name: str, error: Exception) -> DataError:
    return DataError(f"{name}: cannot be read: {first_line(error)}")


def _without_secrets(uri: str) -> str:
    parts = urlsplit(uri.rstrip("/"))
    user, _, host = parts.netloc.rpartition("@")
    # In abfss://CONTAINER@ACCOUNT the user is the container.
    netloc = host if ":" in user or parts.scheme in ("http", "https") else parts.netloc
    return urlunsplit(parts._replace(netloc=netloc, path=parts.path.rstrip("/"), query="", fragment=""))
