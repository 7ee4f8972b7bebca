"""List blobs over a kept connection: registrations do it, and a client library costs three times the CPU time."""

from __future__ import annotations

import asyncio
import ssl
import threading
from email.utils import formatdate
from http.client import HTTPException, HTTPSConnection
from urllib.parse import quote, urlencode
from xml.etree import ElementTree as ET

from azureml_emulator.host_names import BLOB_HOST_SUFFIX
from azureml_emulator.machine.certificates import Certificates
from azureml_emulator.storage import shared_key
from azureml_emulator.storage.azurite import StorageAccount

API_VERSION = "2021-12-02"
SECONDS = 60.0


class BlobListing:
    """Lists blobs of one storage account."""

    def __init__(self, storage: StorageAccount, certificates: Certificates) -> None:
        self._storage = storage
        self._certificates = certificates
        self._connection: HTTPSConnection | None = None
        self._lock = threading.Lock()

    async def etags(self, container: str, prefix: str) -> dict[str, str]:
        """Return the ETags of all blobs that begin with a prefix, by name; none if there is no such container."""
        return await asyncio.to_thread(self._etags, container, prefix)

    def close(self) -> None:
        """Close the connection."""
        if self._connection:
            self._connection.close()

    def _etags(self, container: str, prefix: str) -> dict[str, str]:
        found: dict[str, str] = {}
        query, more = {"prefix": prefix}, True
        while more:
            page = self._page(container, query)
            if page is None:
                return {}
            for blob in page.iter("Blob"):
                found[blob.findtext("Name", "")] = blob.findtext("Properties/Etag", "")
            query["marker"] = page.findtext("NextMarker") or ""
            more = bool(query["marker"])
        return found

    def _page(self, container: str, query: dict[str, str]) -> ET.Element | None:
        path = f"/{container}"
        encoded = urlencode({"comp": "list", "restype": "container", **query}, quote_via=quote, safe="")
        headers = {"x-ms-version": API_VERSION, "x-ms-date": formatdate(usegmt=True)}
        storage = self._storage
        headers["authorization"] = shared_key.sign(storage.name, storage.key, "GET", path, encoded, headers)
        headers["host"] = f"{storage.name}{BLOB_HOST_SUFFIX}"
        status, content = self._get(f"{path}?{encoded}", headers)
        if status == 404:
            return None
        if status != 200:
            raise OSError(f"Azurite answered {status} to a list of container {container}.")
        return ET.fromstring(content)  # noqa: S314 - from Azurite

    def _get(self, target: str, headers: dict[str, str]) -> tuple[int, bytes]:
        with self._lock:
            if self._connection is None:
                trust = ssl.create_default_context(cafile=str(self._certificates.authority))
                self._connection = HTTPSConnection("127.0.0.1", self._storage.port, timeout=SECONDS, context=trust)
            try:
                return self._exchange(self._connection, target, headers)
            except (HTTPException, OSError):
                # Azurite has closed an idle connection; a request opens the next one.
                self._connection.close()
                return self._exchange(self._connection, target, headers)

    def _exchange(self, connection: HTTPSConnection, target: str, headers: dict[str, str]) -> tuple[int, bytes]:
        connection.request("GET", target, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
