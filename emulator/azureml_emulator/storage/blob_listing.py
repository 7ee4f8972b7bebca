"""List blobs over a kept connection: a tenth of the CPU time of the client library, for each registration."""

from __future__ import annotations

import ssl
from email.utils import formatdate
from urllib.parse import quote, urlencode
from xml.etree import ElementTree as ET

import httpx

from azureml_emulator.host_names import BLOB_HOST_SUFFIX
from azureml_emulator.machine.certificates import Certificates
from azureml_emulator.storage import shared_key
from azureml_emulator.storage.azurite import StorageAccount

API_VERSION = "2021-12-02"
SECONDS = 60.0
# Azurite closes idle connections after five seconds.
IDLE_SECONDS = 3.0


class BlobListing:
    """Lists blobs of one storage account."""

    def __init__(self, storage: StorageAccount, certificates: Certificates) -> None:
        self._storage = storage
        self._certificates = certificates
        self._client: httpx.AsyncClient | None = None

    async def etags(self, container: str, prefix: str) -> dict[str, str]:
        """Return the ETags of all blobs that begin with a prefix, by name; none if there is no such container."""
        found: dict[str, str] = {}
        marker: str | None = ""
        while marker is not None:
            page = await self._page(container, {"prefix": prefix, "marker": marker})
            if page is None:
                return {}
            for blob in page.iter("Blob"):
                found[blob.findtext("Name", "")] = blob.findtext("Properties/Etag", "")
            marker = page.findtext("NextMarker") or None
        return found

    async def close(self) -> None:
        """Close the connection."""
        if self._client:
            await self._client.aclose()

    async def _page(self, container: str, query: dict[str, str]) -> ET.Element | None:
        asked = {"comp": "list", "restype": "container", **{name: value for name, value in query.items() if value}}
        path, encoded = f"/{container}", urlencode(asked, quote_via=quote, safe="")
        headers = {"x-ms-version": API_VERSION, "x-ms-date": formatdate(usegmt=True)}
        storage = self._storage
        headers["authorization"] = shared_key.sign(storage.name, storage.key, "GET", path, encoded, headers)
        headers["host"] = f"{storage.name}{BLOB_HOST_SUFFIX}"
        answer = await self._connection().get(f"https://127.0.0.1:{storage.port}{path}?{encoded}", headers=headers)
        if answer.status_code == 404:
            return None
        return ET.fromstring(answer.raise_for_status().content)  # noqa: S314 - from Azurite

    def _connection(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(
                verify=ssl.create_default_context(cafile=str(self._certificates.authority)),
                timeout=SECONDS,
                limits=httpx.Limits(max_connections=None, keepalive_expiry=IDLE_SECONDS),
                trust_env=False,
            )
        return self._client
