from __future__ import annotations

from http.client import HTTPSConnection, RemoteDisconnected
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

import pytest

from azureml_emulator.machine.certificates import Certificates
from azureml_emulator.storage.azurite import StorageAccount
from azureml_emulator.storage.blob_listing import BlobListing

pytestmark = pytest.mark.anyio

PAGE = 2
NAMES = ["a/1.txt", "a/2 & 3.txt", "a/é+%.txt", "b.txt", "a/last"]


class Answer(BytesIO):
    def __init__(self, status: int, text: str = "") -> None:
        super().__init__(text.encode())
        self.status = status


class Azurite(HTTPSConnection):
    """A connection to an Azurite with the container `models`, which answers in pages.

    Attributes:
        broken: How many requests meet a closed connection.
        refused: The status of all answers; 0 for the right ones.
    """

    def __init__(self, broken: int = 0, refused: int = 0) -> None:
        super().__init__("127.0.0.1")
        self.broken = broken
        self.refused = refused
        self.targets: list[str] = []
        self.sent: list[dict[str, str]] = []

    def request(self, _method: str, url: str, *_body: Any, headers: Any = None, **_more: Any) -> None:
        self.targets.append(url)
        self.sent.append(headers)

    def getresponse(self) -> Any:
        if self.broken:
            self.broken -= 1
            raise RemoteDisconnected
        url = urlsplit(self.targets[-1])
        query = parse_qs(url.query)
        if self.refused or url.path != "/models":
            return Answer(self.refused or 404)
        found = [name for name in NAMES if name.startswith(query["prefix"][0])]
        begin = int(query.get("marker", ["0"])[0])
        blobs = "".join(
            f"<Blob><Name>{escape(name)}</Name><Properties><Etag>{len(name)}</Etag></Properties></Blob>"
            for name in found[begin : begin + PAGE]
        )
        more = begin + PAGE if begin + PAGE < len(found) else ""
        return Answer(200, f"<R><Blobs>{blobs}</Blobs><NextMarker>{more}</NextMarker></R>")


def listing_from(azurite: Azurite) -> BlobListing:
    nowhere = Path("nowhere")
    listing = BlobListing(StorageAccount("account", "a2V5", 1), Certificates(nowhere, nowhere, nowhere, nowhere))
    listing.__dict__["_connection"] = azurite
    return listing


async def test_all_pages_are_read() -> None:
    azurite = Azurite()

    found = await listing_from(azurite).etags("models", "a/")

    assert found == {name: str(len(name)) for name in NAMES if name.startswith("a/")}
    assert len(azurite.targets) == 2
    assert azurite.sent[0]["host"] == "account.blob.core.windows.net"
    assert azurite.sent[0]["authorization"].startswith("SharedKey account:")


async def test_a_missing_container_has_no_blobs() -> None:
    assert await listing_from(Azurite()).etags("none", "a/") == {}


async def test_a_closed_connection_is_opened_again_once() -> None:
    assert await listing_from(Azurite(broken=1)).etags("models", "b") == {"b.txt": "5"}
    with pytest.raises(RemoteDisconnected):
        await listing_from(Azurite(broken=2)).etags("models", "b")


async def test_a_failure_is_not_taken_for_an_empty_folder() -> None:
    with pytest.raises(OSError, match="answered 503 to a list of container models"):
        await listing_from(Azurite(refused=503)).etags("models", "a/")
