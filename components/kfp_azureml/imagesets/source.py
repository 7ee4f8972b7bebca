"""Open input files from a local folder, a web server or an object store as streams."""

from __future__ import annotations

import io
import logging
import os
import re
import stat
import string
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from kfp_azureml.azcreds import service_principal
from kfp_azureml.runtime.errors import DataError, first_line

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

AZURE_SCHEMES = ("abfs", "abfss", "az")
TIMEOUT_SECONDS = 60
BLOCK_BYTES = 4 << 20
ABSENT_STATUSES = (404, 410)
# S3 returns this for a missing object if the caller may not list the bucket, so the next name is tried.
REFUSED_STATUS = 403
# Retried for web servers; drivers of object stores retry by themselves.
TRANSIENT_STATUSES = (408, 429, 500, 502, 503, 504)
TRIES = 4
PAUSE_SECONDS = 2.0  # doubled after each attempt
_SHOWN_ENTRIES = 8
# A query, such as a signature. A folder's name may contain `#` and `?`.
_QUERY = re.compile(r"\?[\w.-]+=.*", re.DOTALL)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """A folder of input data.

    Attributes:
        uri: Address for messages, with query and user redacted.
        open_raw: Opens a file by its path in the folder, unbuffered; raises IsADirectoryError for a folder.
        list_folder: Lists a folder by its relative path: names, and whether each is a folder. Empty if listing is not
            supported, as on web servers.
        failures: Exceptions raised by these functions and by reading.
        real_path: Returns a path in the folder without symbolic links; the same path where there are none.
        is_local: Whether the folder is on this machine, so that a failure concerns one file, not the network.
        may_name_files: Whether a table in the folder may name any file of this machine; not one out of an archive.
    """

    uri: str
    open_raw: Callable[[str], Any]
    list_folder: Callable[[str], Mapping[str, bool]]
    failures: tuple[type[Exception], ...]
    real_path: Callable[[str], str] = str
    is_local: bool = False
    may_name_files: bool = False

    def open(self, names: Sequence[str]) -> InputStream:
        """Open the first of several names that exists.

        Otherwise accept a name that differs in case or separators only, or a file in a folder of such a name, as some
        archives unpack.

        Args:
            names: File names in order of preference.

        Raises:
            DataError: If none exists, if several match, or if the source cannot be read.
        """
        refusal: Exception | None = None
        folders: list[str] = []
        for path in self._paths(names, folders):
            try:
                return InputStream(self.open_raw(path), f"{self.uri}/{path}", self.failures)
            except self.failures as error:
                status = getattr(error, "status_code", None) or getattr(error, "code", None)
                if isinstance(error, IsADirectoryError):
                    folders.append(path)
                elif isinstance(error, PermissionError) or status == REFUSED_STATUS:
                    refusal = error
                elif not isinstance(error, FileNotFoundError) and status not in ABSENT_STATUSES:
                    raise _unreadable(self.uri, error) from error
        raise DataError(self._not_found(names, folders, refusal))

    def lists_any(self, names: Sequence[str]) -> bool | None:
        """Return whether the folder lists one of several names, in any spelling; None if it cannot be listed."""
        listed = self._list("")
        spelled = {_spelling(name) for name in names}
        return any(_spelling(name) in spelled for name in listed) if listed else None

    def enumerate_entries(self) -> str:
        """Return the first names in the folder, for messages."""
        return _enumeration(self._list(""))

    def _paths(self, names: Sequence[str], folders: Sequence[str]) -> Iterator[str]:
        """Yield the paths to try; `folders` collects those that turn out to be folders."""
        yield from names
        listed = self._list("")
        yield from self._spelled(names, [name for name, is_folder in listed.items() if not is_folder])
        same = self._spelled(names, [name for name, is_folder in listed.items() if is_folder])
        for folder in dict.fromkeys([*folders, *same]):
            inside = self._list(folder)
            files = [name for name, is_folder in inside.items() if not is_folder and not name.startswith(".")]
            found = [name for name in names if name in files] or list(self._spelled(names, files, folder))
            # An unlistable folder may contain the file; a single file is accepted whatever its name.
            for name in found or (files if len(files) == 1 else names if not inside else []):
                yield f"{folder}/{name}"

    def _spelled(self, names: Sequence[str], existing: Iterable[str], folder: str = "") -> Iterator[str]:
        """Yield existing names that match under another spelling, in the order of `names`."""
        spelled: dict[str, list[str]] = {}
        for name in existing:
            spelled.setdefault(_spelling(name), []).append(name)
        for name in names:
            found = spelled.pop(_spelling(name), [])
            if name in found:
                yield name
            elif len(found) > 1:
                where = f"{self.uri}/{folder}" if folder else self.uri
                raise DataError(f"{where}: {', '.join(sorted(found))} all match {name}; keep one")
            else:
                yield from found

    def _list(self, folder: str) -> Mapping[str, bool]:
        try:
            return self.list_folder(folder)
        except self.failures:
            # Permission to read does not imply permission to list.
            return {}

    def _not_found(self, names: Sequence[str], folders: Sequence[str], refusal: Exception | None) -> str:
        message = f"{self.uri}: {names[0]} not found (looked for {', '.join(names)})"
        if refusal:
            return f"{message}: {first_line(refusal)}"
        for folder in folders:
            message += f"; {folder} is a folder containing {_enumeration(self._list(folder))}"
        if not folders and (entries := self._list("")):
            message += f"; found {_enumeration(entries)}"
        return message


class InputStream(io.BufferedReader):
    """A file of a source, read sequentially; errors are raised as DataError with its name.

    Attributes:
        name: Address of the file.
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
    """Return whether an input is an Azure ML name, which must be resolved to an address."""
    return input_data.startswith("azureml:")


def open_source(input_data: str, *, use_azure_credentials: bool = False) -> Source:
    """Open a folder of input data.

    Args:
        input_data: A local path, or a URI with the scheme file, http, https, wasbs, or one that fsspec has a driver
            for, such as abfss, az and s3. File names are appended to its path.
        use_azure_credentials: Read Azure storage with the service principal in AZ_TENANT_ID, AZ_CLIENT_ID and
            AZ_CLIENT_SECRET or, if none is set, with Azure's default credential chain, such as workload identity.
            Otherwise access is anonymous or configured by adlfs' AZURE_STORAGE_... variables.

    Raises:
        DataError: If the folder does not exist or the URI's scheme is unknown.
        CredentialsError: If the credentials are incomplete.
    """
    if not input_data:
        raise DataError("input_data is empty; expected a folder or URI of images")
    if "://" not in input_data:
        return _local_folder(Path(input_data))
    scheme, authority, path = _split(input_data)
    try:
        urlsplit(f"{scheme}://{authority}")
    except ValueError as error:
        raise DataError(f"input_data is not a valid URI ({error})") from error
    match scheme:
        case "file":
            return _local_folder(Path(unquote(path)))
        case "http" | "https":
            return _web_folder(input_data)
        case "wasbs":
            return _object_store(abfss_uri(input_data), use_azure_credentials)
        case _:
            return _object_store(input_data, use_azure_credentials)


def abfss_uri(wasbs_uri: str) -> str:
    """Convert a wasbs URI to abfss.

    Args:
        wasbs_uri: wasbs://CONTAINER@ACCOUNT.blob.core.windows.net/PATH
    """
    _, authority, path = _split(wasbs_uri)
    return f"abfss://{authority.replace('.blob.', '.dfs.', 1)}{path}"


def _local_folder(folder: Path) -> Source:
    if not folder.is_dir():
        what = "not a folder" if folder.exists() else "no such folder"
        raise DataError(
            f"{folder}: {what}; expected a folder of images, or an archive, a table, a .parquet or .npz file"
        )

    def open_raw(name: str) -> Any:
        path = folder / name
        try:
            if stat.S_IFMT(path.stat().st_mode) not in (stat.S_IFREG, stat.S_IFDIR):
                raise DataError(f"{path}: neither a file nor a folder")  # a pipe would wait for its other end
            return path.open("rb", buffering=0)
        except FileNotFoundError:
            if path.is_symlink():
                raise DataError(f"{path}: broken link to {path.readlink()}") from None
            raise

    def list_folder(name: str) -> Mapping[str, bool]:
        return {entry.name: entry.is_dir() for entry in (folder / name).iterdir()}

    def real_path(name: str) -> str:
        return os.path.realpath(folder / name)

    return Source(str(folder), open_raw, list_folder, (OSError,), real_path, is_local=True, may_name_files=True)


def _web_folder(url: str) -> Source:
    # Unlike fsspec's client, urllib streams without a thread, honours the proxy variables and has no total timeout.
    from http.client import HTTPException

    scheme, authority, path = _split(url)
    path, mark, query = path.partition("?")
    shown = without_secrets(url)

    def open_raw(name: str) -> Any:
        # `#` is part of the path. Existing escapes are kept.
        escaped = re.sub("#|%(?![0-9A-Fa-f]{2})", lambda found: quote(found[0]), f"{path.rstrip('/')}/{name}")
        address = quote(f"{scheme}://{authority}{escaped}{mark}{query}", safe=string.punctuation)
        answer = _open_web(address, f"{shown}/{name}")
        if urlsplit(answer.url).path.endswith("/"):
            answer.close()
            raise IsADirectoryError(f"{name} is a folder")  # redirected to its index page
        return answer

    return Source(shown, open_raw, lambda _folder: {}, (OSError, HTTPException))


def _open_web(address: str, shown: str) -> Any:
    """Open an address; retry transient errors."""
    from urllib.request import urlopen

    for pause in (PAUSE_SECONDS * 2**number for number in range(TRIES - 1)):
        try:
            return urlopen(address, timeout=TIMEOUT_SECONDS)  # noqa: S310 - the scheme is http or https
        except OSError as error:
            if not _is_transient(error):
                raise
            logger.warning("%s: %s; retrying in %g s", shown, first_line(error), pause)
            time.sleep(pause)
    return urlopen(address, timeout=TIMEOUT_SECONDS)  # noqa: S310


def _is_transient(error: OSError) -> bool:
    """Return whether to retry; an unknown host or a closed port is not transient."""
    status = getattr(error, "code", None)
    lost = getattr(error, "reason", None) if status is None else None
    return status in TRANSIENT_STATUSES or isinstance(lost or error, (ConnectionResetError, TimeoutError))


def _object_store(uri: str, use_azure_credentials: bool) -> Source:
    import fsspec

    scheme, _, _ = _split(uri)
    shown = without_secrets(uri)
    options = azure_options(use_azure_credentials) if scheme in AZURE_SCHEMES else {}
    try:
        filesystem, root = fsspec.url_to_fs(uri.rstrip("/"), **options)
    except (ValueError, ImportError, OSError) as error:  # chained addresses are opened at once
        raise DataError(f"{shown}: {first_line(error)}") from error

    def open_raw(name: str) -> Any:
        file = filesystem.open(f"{root}/{name}", "rb", block_size=BLOCK_BYTES, cache_type="readahead")
        if getattr(file, "details", {}).get("type") == "directory":
            file.close()
            raise IsADirectoryError(f"{name} is a folder")
        return file

    def list_folder(name: str) -> Mapping[str, bool]:
        entries = filesystem.ls(f"{root}/{name}".rstrip("/"), detail=True)
        return {Path(entry["name"]).name: entry["type"] == "directory" for entry in entries}

    return Source(shown, open_raw, list_folder, (OSError, *driver_failures(scheme)))


def azure_options(use_credentials: bool) -> dict[str, str | bool]:
    """Return the credential options for adlfs; see `open_source`."""
    if not use_credentials:
        return {"anon": True}
    principal = service_principal()
    return vars(principal) if principal else {"anon": False}


def driver_failures(scheme: str) -> tuple[type[Exception], ...]:
    """Return the exceptions of a scheme's driver other than OSError."""
    if scheme in AZURE_SCHEMES:
        from azure.core.exceptions import AzureError

        return (AzureError,)
    if scheme in ("s3", "s3a"):
        from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

        return (BotoCoreError, ClientError)
    return ()


def _unreadable(name: str, error: Exception) -> DataError:
    return DataError(f"{name}: cannot be read: {first_line(error)}")


def _split(uri: str) -> tuple[str, str, str]:
    """Return scheme, authority and path; `urlsplit` would end the path at `#` and `?`."""
    scheme, _, rest = uri.partition("://")
    authority, slash, path = rest.partition("/")
    return scheme.lower(), authority, slash + path


def without_secrets(uri: str) -> str:
    """Return a URI for messages, without query and user."""
    scheme, authority, path = _split(uri)
    user, _, host = authority.rpartition("@")
    is_web = scheme in ("http", "https")
    # In abfss://CONTAINER@ACCOUNT the user is the container.
    shown = host if ":" in user or is_web else authority
    path = path.partition("?")[0] if is_web else _QUERY.sub("", path)
    return f"{scheme}://{shown}{path.rstrip('/')}"


def _spelling(name: str) -> str:
    """Return a name normalized in case and separators."""
    return re.sub(r"[-._ ]+", "-", name.lower())


def _enumeration(entries: Mapping[str, bool]) -> str:
    names = sorted(entries)
    more = len(names) - _SHOWN_ENTRIES
    return (", ".join(names[:_SHOWN_ENTRIES]) or "nothing") + (f" and {more} more" if more > 0 else "")
