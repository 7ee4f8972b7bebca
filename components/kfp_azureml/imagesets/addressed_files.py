"""Read the files that a table names, by path or by URI."""

from __future__ import annotations

import threading
from collections.abc import Callable
from urllib.parse import unquote

from kfp_azureml.imagesets.collection import reader_of
from kfp_azureml.imagesets.preprocessing import BadImageError
from kfp_azureml.imagesets.source import Source, is_azureml_name, open_source

SCHEMES = ("file", "http", "https", "abfs", "abfss", "wasbs", "az", "s3", "s3a", "azureml")
"""Schemes of addresses in tables. fsspec's others, such as `zip` and `filecache`, can read this machine's files."""


class AddressedFiles:
    """Files by path in a folder, or by URI.

    Args:
        source: The folder.
        locate: Resolves azureml:// addresses.
        use_azure_credentials: Read addresses in Azure storage with credentials; azureml:// always is.
    """

    def __init__(self, source: Source, locate: Callable[[str], str], use_azure_credentials: bool) -> None:
        self._source = source
        self._read = reader_of(source)
        self._locate = locate
        self._use_azure_credentials = use_azure_credentials
        self._readers: dict[str, Callable[[str], bytes]] = {}
        self._lock = threading.Lock()

    def read(self, name: str) -> bytes:
        """Return the bytes of a file.

        Raises:
            BadImageError: If it cannot be read, or its path leads out of a remote folder or an archive.
            DataError: If its address is invalid.
        """
        if "://" in name:
            self._check_address(name)
            folder, file = folder_and_name(name)
            return self._reader(folder)(file)
        is_outside = name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/")
        if is_outside and not self._source.may_name_files:
            raise BadImageError("its path leads out of the folder")
        try:
            return self._read(name)
        except BadImageError:
            # Tables written on Windows.
            if "\\" not in name:
                raise
            return self._read(name.replace("\\", "/"))

    def _check_address(self, address: str) -> None:
        scheme = address.partition("://")[0].lower()
        if scheme not in SCHEMES:
            raise BadImageError(f"its address has none of the schemes {', '.join(SCHEMES)}")
        if scheme == "file" and not self._source.may_name_files:
            raise BadImageError("its address is one of this machine, but the table is not, or it is in an archive")
        # fsspec takes what follows for a second address, which may be one of this machine.
        if "::" in address and scheme not in ("file", "http", "https"):
            raise BadImageError("its address contains ::, which joins two addresses")

    def _reader(self, folder: str) -> Callable[[str], bytes]:
        """Return the reader of a URI's folder; it is resolved once."""
        with self._lock:
            if folder not in self._readers:
                is_named = is_azureml_name(folder)
                address = self._locate(folder) if is_named else folder
                source = open_source(address, use_azure_credentials=self._use_azure_credentials or is_named)
                self._readers[folder] = reader_of(source)
            return self._readers[folder]


def folder_and_name(uri: str) -> tuple[str, str]:
    """Return the URI of the folder and the file's name; a web address keeps its query."""
    is_web = uri.lower().startswith(("http://", "https://"))
    path, mark, query = uri.partition("?") if is_web else (uri, "", "")
    folder, _, name = path.rpartition("/")
    # Escapes are taken out of the folder too when it is opened.
    escaped = uri.lower().startswith(("file://", "azureml:"))
    return f"{folder}/{mark}{query}", unquote(name) if escaped else name
