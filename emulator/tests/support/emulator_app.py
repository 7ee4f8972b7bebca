"""The emulator's web app without child processes, with a fake clock and blobs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import BinaryIO

import httpx
from azure.core import MatchConditions

from azureml_emulator.context import Context
from azureml_emulator.machine.certificates import Certificates
from azureml_emulator.storage.azurite import StorageAccount
from azureml_emulator.storage.blobs import Blobs


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class MemoryContainers:
    """As much of a BlobServiceClient as Blobs asks for; blobs are kept in memory.

    Attributes:
        contents: The content of each blob, by container and name.
    """

    def __init__(self) -> None:
        self.contents: dict[str, dict[str, bytes]] = {}

    def get_container_client(self, name: str) -> MemoryContainer:
        return MemoryContainer(self.contents, name)


class MemoryContainer:
    def __init__(self, contents: dict[str, dict[str, bytes]], name: str) -> None:
        self._contents = contents
        self._name = name

    @property
    def _blobs(self) -> dict[str, bytes]:
        return self._contents.setdefault(self._name, {})

    def exists(self) -> bool:
        return self._name in self._contents

    def create_container(self) -> None:
        self._contents[self._name] = {}

    def list_blob_names(self, name_starts_with: str) -> list[str]:
        return sorted(name for name in self._blobs if name.startswith(name_starts_with))

    def download_blob(self, name: str) -> MemoryDownload:
        return MemoryDownload(self._blobs[name])

    def upload_blob(self, name: str, content: BinaryIO, *, overwrite: bool) -> None:
        assert overwrite
        self._blobs[name] = content.read()

    def get_blob_client(self, name: str) -> MemoryBlob:
        return MemoryBlob(self._blobs, name)


class MemoryBlob:
    def __init__(self, blobs: dict[str, bytes], name: str) -> None:
        self._blobs = blobs
        self._name = name

    def create_append_blob(self, match_condition: MatchConditions) -> None:
        assert match_condition is MatchConditions.IfMissing
        self._blobs.setdefault(self._name, b"")

    def append_block(self, content: bytes) -> None:
        self._blobs[self._name] += content


class MemoryDownload:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size = len(content)

    def readinto(self, file: BinaryIO) -> None:
        file.write(self._content)


class MemoryBlobs(Blobs):
    """The blob store without Azurite; its signatures name what they are for.

    Attributes:
        contents: The content of each blob, by container and name.
    """

    def __init__(self) -> None:
        nowhere = Path("nowhere")
        super().__init__(StorageAccount("account", "a2V5", 1), Certificates(nowhere, nowhere, nowhere, nowhere))
        containers = MemoryContainers()
        self.__dict__["_client"] = containers
        self.contents = containers.contents

    def sign(self, container: str) -> str:
        return f"sig={container}"

    def sign_account(self) -> str:
        return "sig=all"

    def put(self, uri: str, content: str) -> None:
        """Put a blob where a URI says."""
        container, path = self.locate(uri)
        self.contents.setdefault(container, {})[path] = content.encode()

    def text(self, uri: str) -> str | None:
        """Read the blob a URI says; None, if it is not there."""
        container, path = self.locate(uri)
        content = self.contents.get(container, {}).get(path)
        return None if content is None else content.decode()

    async def etags(self, uri: str) -> dict[str, str]:
        container, path = self.locate(uri)
        return {
            name: hashlib.sha256(content).hexdigest()
            for name, content in self.contents.get(container, {}).items()
            if not path or name == path or name.startswith(f"{path}/")
        }

    async def read(self, uri: str) -> bytes | None:
        text = self.text(uri)
        return None if text is None else text.encode()

    async def write(self, uri: str, content: bytes) -> None:
        self.put(uri, content.decode())

    async def clear(self) -> None:
        self.contents.clear()


@dataclass
class App:
    """The app under test.

    Attributes:
        context: What its handlers work with.
        http: A client without any token.
        arm: A client for the workspace, signed in.
        clock: The time the tokens see.
        access_log: What the access log holds.
        blobs: What is in the blob store.
        data_plane: A client for the workspace at the run history, signed in.
    """

    context: Context
    http: httpx.AsyncClient
    arm: httpx.AsyncClient
    clock: Clock
    access_log: StringIO
    blobs: MemoryBlobs
    data_plane: httpx.AsyncClient
