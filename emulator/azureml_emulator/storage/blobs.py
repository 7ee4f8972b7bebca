"""The emulator's own client of the workspace's blob store."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from azureml_emulator.arm.errors import ArmError
from azureml_emulator.host_names import BLOB_HOST_SUFFIX, without_root_dot
from azureml_emulator.machine.certificates import Certificates
from azureml_emulator.storage.azurite import StorageAccount
from azureml_emulator.storage.blob_listing import BlobListing

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient

SAS_HOURS = 1
APPEND_BYTES = 4 * 1024 * 1024
"""Maximum size of one append request."""
BLOB_STORE, ARTIFACT_STORE = "workspaceblobstore", "workspaceartifactstore"
DATASTORES = {BLOB_STORE: "azureml-blobstore", ARTIFACT_STORE: "azureml"}
"""Container of each default blob datastore."""
# The service writes the paths of job artifacts without `paths`.
DATASTORE_PATH = re.compile(r"azureml://(?:.+/)?datastores/([^/]+)/(?:paths/)?(.*)")

CONTAINER = re.compile(r"[$a-z0-9][a-z0-9-]{0,62}")


class Blobs:
    """Containers, signatures and transfers in one storage account.

    A `uri` is a path in a datastore or an https blob address; see `locate`.

    Args:
        storage: The account.
        certificates: Holds the authority to trust.
        find_container: Maps a datastore's name to its container; None if it is not in this account.

    Attributes:
        account: The storage account's name.
        key: The storage account's key.
    """

    def __init__(
        self,
        storage: StorageAccount,
        certificates: Certificates,
        find_container: Callable[[str], str | None] = DATASTORES.get,
    ) -> None:
        self.account = storage.name
        self.key = storage.key
        self._find_container = find_container
        self._storage = storage
        self._certificates = certificates
        self._listing = BlobListing(storage, certificates)

    def close(self) -> None:
        """Close the connection that is kept for lists."""
        self._listing.close()

    @functools.cached_property
    def _client(self) -> BlobServiceClient:
        from azure.core.pipeline.transport import RequestsTransport
        from azure.storage.blob import BlobServiceClient

        return BlobServiceClient(
            f"https://127.0.0.1:{self._storage.port}/{self.account}",
            credential={"account_name": self.account, "account_key": self.key},
            # Directly to Azurite, ignoring the caller's proxy.
            transport=RequestsTransport(use_env_settings=False, connection_verify=str(self._certificates.authority)),
        )

    def url(self, container: str) -> str:
        """Return a container's https address for clients."""
        return f"https://{self.account}{BLOB_HOST_SUFFIX}/{container}"

    async def create_container(self, container: str) -> None:
        """Create a container unless it exists."""
        client = self._client.get_container_client(container)
        if not await asyncio.to_thread(client.exists):
            await asyncio.to_thread(client.create_container)

    def sign(self, container: str) -> str:
        """Return a shared access signature (query string) for a container, for one hour."""
        from azure.storage.blob import ContainerSasPermissions, generate_container_sas

        return generate_container_sas(
            self.account,
            container,
            account_key=self.key,
            permission=ContainerSasPermissions(read=True, add=True, create=True, write=True, delete=True, list=True),
            expiry=datetime.now(UTC) + timedelta(hours=SAS_HOURS),
        )

    def sign_account(self) -> str:
        """Return a shared access signature for all blobs of the account, for one hour.

        As on the service, one for a datastore also reads the code and artifacts in other containers. It writes too:
        clients upload with the answer to the same request as they download with. What the service's signature permits
        was never recorded, only the account key in its place, which permits all. It does not delete: clients do not
        need that, and it would reach whole containers.
        """
        from azure.storage.blob import AccountSasPermissions, ResourceTypes, Services, generate_account_sas

        return generate_account_sas(
            self.account,
            account_key=self.key,
            resource_types=ResourceTypes(container=True, object=True),
            permission=AccountSasPermissions(read=True, add=True, create=True, write=True, list=True),
            expiry=datetime.now(UTC) + timedelta(hours=SAS_HOURS),
            services=Services(blob=True),
            protocol="https",
        )

    async def download(self, uri: str, parent: Path) -> Path:
        """Copy a folder or a single blob into a folder.

        Returns:
            The copy: the last name of the URI in `parent`; `parent` itself for a whole container.

        Raises:
            ArmError: If nothing is there, or a blob's name leads outside the folder.
        """
        container, path = self.locate(uri)
        target = parent / PurePosixPath(path).name
        await asyncio.to_thread(self._download, container, path, target)
        return target

    async def read(self, uri: str) -> bytes | None:
        """Read a single blob; None if it is missing."""
        container, path = self.locate(uri)
        return await asyncio.to_thread(self._read, container, path)

    async def write(self, uri: str, content: bytes) -> None:
        """Write a single blob; its container must exist."""
        container, path = self.locate(uri)
        client = self._client.get_blob_client(container, path)
        await asyncio.to_thread(client.upload_blob, content, overwrite=True)

    async def clear(self) -> None:
        """Delete all containers and their blobs."""
        for container in await asyncio.to_thread(lambda: list(self._client.list_containers())):
            await asyncio.to_thread(self._client.delete_container, container.name)

    async def upload(self, source: Path, uri: str) -> None:
        """Copy a file or a folder's files; links are followed, empty folders are lost."""
        container, path = self.locate(uri)
        await asyncio.to_thread(self._upload, source, container, path)

    async def append(self, uri: str, content: bytes) -> None:
        """Append to a blob, such as a log; create it if needed."""
        container, path = self.locate(uri)
        await asyncio.to_thread(self._append, container, path, content)

    async def list_below(self, uri: str) -> list[str]:
        """List the blobs in a folder by their path in it."""
        container, path = self.locate(uri)
        names = await asyncio.to_thread(lambda: list(self._names(container, f"{path}/")))
        return [name.removeprefix(f"{path}/") for name in names]

    async def etags(self, uri: str) -> dict[str, str]:
        """Return the ETags of a blob, or of all blobs in a folder, by blob name."""
        container, path = self.locate(uri)
        found = await self._listing.etags(container, path)
        return {name: etag for name, etag in found.items() if _is_at_or_below(name, path)}

    def signed_url(self, uri: str) -> str:
        """Return an https address that can read a blob for one hour."""
        from azure.storage.blob import BlobSasPermissions, generate_blob_sas

        container, path = self.locate(uri)
        signature = generate_blob_sas(
            self.account,
            container,
            path,
            account_key=self.key,
            permission=BlobSasPermissions(read=True),
            expiry=datetime.now(UTC) + timedelta(hours=SAS_HOURS),
        )
        return f"{self.url(container)}/{quote(path)}?{signature}"

    def locate(self, uri: str) -> tuple[str, str]:
        """Return the container and path of a URI.

        Args:
            uri: `azureml://.../datastores/NAME/paths/PATH`, or `https://ACCOUNT.blob.core.windows.net/CONTAINER/PATH`.

        Returns:
            The container, and the path without a trailing slash.

        Raises:
            ArmError: If it has another form, or leads outside its folder.
        """
        container, path = self._locate(uri)
        if not CONTAINER.fullmatch(container):
            raise ArmError(400, "UserError", f"{uri!r} has no name of a container.")
        if ".." in PurePosixPath(path).parts:
            raise ArmError(400, "UserError", f"The path {path!r} leads outside its folder.")
        return container, path

    def _locate(self, uri: str) -> tuple[str, str]:
        try:
            parts = urlsplit(uri)
        except ValueError:
            raise ArmError(400, "UserError", f"{uri!r} is not a URI.") from None
        found = DATASTORE_PATH.fullmatch(uri)
        datastore_container = self._find_container(found[1]) if found else None
        if found and datastore_container:
            return datastore_container, found[2].strip("/")
        host = without_root_dot(parts.hostname or "")
        if parts.scheme == "https" and host == f"{self.account}{BLOB_HOST_SUFFIX}":
            container, _, path = unquote(parts.path).strip("/").partition("/")
            return container, path
        raise ArmError(400, "UserError", f"The emulator cannot read {uri!r}: it is not in the workspace's blob store.")

    def _read(self, container: str, path: str) -> bytes | None:
        from azure.core.exceptions import ResourceNotFoundError

        try:
            return self._client.get_blob_client(container, path).download_blob().readall()
        except ResourceNotFoundError:
            return None

    def _names(self, container: str, start: str) -> Iterator[str]:
        return iter(self._client.get_container_client(container).list_blob_names(name_starts_with=start))

    def _upload(self, source: Path, container: str, path: str) -> None:
        client = self._client.get_container_client(container)
        for file in [source] if source.is_file() else sorted(source.rglob("*")):
            if file.is_file():
                name = path if file == source else str(PurePosixPath(path) / file.relative_to(source).as_posix())
                with file.open("rb") as content:
                    client.upload_blob(name, content, overwrite=True)

    def _append(self, container: str, path: str, content: bytes) -> None:
        from azure.core import MatchConditions
        from azure.core.exceptions import ResourceExistsError

        client = self._client.get_container_client(container).get_blob_client(path)
        # No check with `exists` first: creating it a second time would empty it.
        with contextlib.suppress(ResourceExistsError):
            client.create_append_blob(match_condition=MatchConditions.IfMissing)
        for start in range(0, len(content), APPEND_BYTES):
            client.append_block(content[start : start + APPEND_BYTES])

    def _download(self, container: str, path: str, target: Path) -> None:
        client = self._client.get_container_client(container)
        names = [name for name in self._names(container, path) if _is_at_or_below(name, path)]
        if not names:
            raise ArmError(404, "UserError", f"No blob at {path!r} in container {container!r}.")
        files = {name: _file_in(target, name.removeprefix(path).strip("/"), name) for name in names}
        folders = {parent for file in files.values() for parent in file.parents}
        written: dict[Path, str] = {}
        for name, file in files.items():
            blob = client.download_blob(name)
            try:
                if blob.size == 0 and (file in folders or name.endswith("/")):  # how some clients mark a folder
                    file.mkdir(parents=True, exist_ok=True)
                    continue
                if file in folders or file in written:
                    other = written.get(file, f"{name}/...")
                    raise ArmError(
                        400, "UserError", f"The blobs {name!r} and {other!r} cannot be copied to one folder."
                    )
                file.parent.mkdir(parents=True, exist_ok=True)
                with file.open("wb") as content:
                    blob.readinto(content)
            except OSError as error:
                raise ArmError(
                    400, "UserError", f"The blob {name!r:.300} cannot be copied: {error.strerror}."
                ) from None
            written[file] = name


def _file_in(folder: Path, below: str, name: str) -> Path:
    """Return the file for a blob.

    Raises:
        ArmError: 400, if its name leads outside the folder or cannot be that of a file.
    """
    file = folder / below
    try:
        is_inside = file.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError):  # too long, a null character
        raise ArmError(400, "UserError", f"The blob name {name!r:.300} cannot be that of a file.") from None
    if not is_inside:
        raise ArmError(400, "UserError", f"The blob name {name!r} leads outside its folder.")
    return file


def _is_at_or_below(name: str, path: str) -> bool:
    """Return whether a blob is at or below a path, not just a common prefix."""
    return not path or name == path or name.startswith(f"{path}/")
