"""A folder that is read and written, on this machine or in an object store."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kfp_azureml.imagesets.source import AZURE_SCHEMES, abfss_uri, azure_options, driver_failures, without_secrets
from kfp_azureml.runtime.errors import OutputError, first_line
from kfp_azureml.runtime.terminal import short

_PART = ".part"


class StoredFolder:
    """A folder of files, which appear whole or not at all.

    Attributes:
        uri: Its address for messages, with query and user redacted.
    """

    def __init__(self, address: str, use_azure_credentials: bool = True) -> None:
        """Connect to the folder, which need not exist.

        Args:
            address: A local path, such as a mounted volume, or a URI that fsspec has a driver for: abfss, az, s3, file.
            use_azure_credentials: How Azure storage is accessed; see `open_source`.

        Raises:
            OutputError: If the address is not of that form.
            CredentialsError: If the credentials are incomplete.
        """
        import fsspec

        scheme, found, _ = address.partition("://")
        scheme = scheme.lower() if found else "file"
        self.uri = without_secrets(address) if found else address.rstrip("/")
        if scheme in ("http", "https"):
            raise OutputError(f"{self.uri}: web servers cannot be written to; use a path or abfss://, az:// or s3://")
        if scheme == "wasbs":
            scheme, address = "abfss", abfss_uri(address)
        options = azure_options(use_azure_credentials) if scheme in AZURE_SCHEMES else {}
        # A listing that is cached would miss what another pod wrote.
        options |= {} if scheme in ("file", "memory") else {"use_listings_cache": False}
        try:
            self._failures: tuple[type[Exception], ...] = (OSError, *driver_failures(scheme))
            self._files, self._root = fsspec.url_to_fs(address.rstrip("/") or "/", **options)
        except (ValueError, ImportError, OSError) as error:
            raise OutputError(f"{self.uri}: {first_line(error)}") from error
        self._is_local = scheme == "file"

    def list_files(self) -> list[str]:
        """List the names of its files, sorted; none if it does not exist.

        Raises:
            OutputError: If it cannot be listed.
        """
        with self._errors("listed"):
            try:
                entries = self._files.ls(self._root, detail=True)
            except FileNotFoundError:
                return []
        # Neither links nor pipes, which somebody else may have put there.
        names = (Path(entry["name"]).name for entry in entries if entry["type"] == "file")
        return sorted(name for name in names if not name.endswith(_PART))

    def read(self, name: str) -> bytes:
        """Return a file's content.

        Raises:
            OutputError: If it cannot be read.
        """
        with self._errors("read", name):
            content: bytes = self._files.cat_file(f"{self._root}/{name}")
        return content

    def write(self, name: str, content: bytes) -> None:
        """Create or replace a file; a killed process leaves the old one or the new one.

        Raises:
            OutputError: If it cannot be written.
        """
        with self._errors("written", name):
            if not self._is_local:
                self._files.pipe_file(f"{self._root}/{name}", content)  # object stores show complete files only
                return
            target = Path(self._root, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_name(f".{name}{_PART}")
            part.unlink(missing_ok=True)
            try:
                with part.open("xb") as stream:  # never through a link
                    stream.write(content)
                    stream.flush()
                    os.fsync(stream.fileno())
                part.replace(target)
            except BaseException:
                part.unlink(missing_ok=True)  # a full disk would stay full
                raise

    def delete(self, name: str) -> None:
        """Delete a file, which may be gone already.

        Raises:
            OutputError: If it cannot be deleted.
        """
        with self._errors("deleted", name):
            try:
                self._files.rm_file(f"{self._root}/{name}")
            except FileNotFoundError:
                return

    def delete_parts(self, names: re.Pattern[str]) -> None:
        """Delete what killed processes left of files that they wrote, if nobody else writes these files now.

        Raises:
            OutputError: If it cannot be deleted.
        """
        if not self._is_local:
            return
        with self._errors("deleted"):
            for part in Path(self._root).glob(f".*{_PART}"):
                if names.fullmatch(part.name[1 : -len(_PART)]):
                    part.unlink(missing_ok=True)

    def download(self, folder: Path) -> None:
        """Copy all files, with those in its subfolders, to a local folder.

        Raises:
            OutputError: If it cannot be read, has no files, or one whose name leads out of the folder.
        """
        with self._errors("read"):
            paths = self._files.find(self._root)
            for path in paths:
                inner = os.path.relpath(path, self._root)
                if inner.split("/")[0] == "..":
                    raise OutputError(f"{self.uri}: a file's name leads out of the folder: {short(path)}")
                target = folder / inner
                target.parent.mkdir(parents=True, exist_ok=True)
                self._files.get_file(path, str(target))
        if not paths:
            raise OutputError(f"{self.uri}: no files")

    def upload(self, folder: Path) -> None:
        """Copy all files of a local folder, with those in its subfolders.

        Raises:
            OutputError: If it cannot be written.
        """
        with self._errors("written"):
            for path in sorted(each for each in folder.rglob("*") if each.is_file()):
                target = f"{self._root}/{path.relative_to(folder).as_posix()}"
                self._files.makedirs(target.rpartition("/")[0], exist_ok=True)
                self._files.put_file(str(path), target)

    @contextmanager
    def _errors(self, what: str, name: str = "") -> Iterator[None]:
        try:
            yield
        except self._failures as error:
            where = f"{self.uri}/{name}" if name else self.uri
            reason = getattr(error, "strerror", None) or first_line(error)
            raise OutputError(f"{where}: cannot be {what}: {reason}") from error
