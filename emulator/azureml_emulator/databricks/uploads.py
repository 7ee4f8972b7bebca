"""Uploads in parts: to volumes, at addresses that need no token, and to DBFS, by handle."""

from __future__ import annotations

import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from azureml_emulator.databricks.errors import does_not_exist, invalid


@dataclass(frozen=True)
class Upload:
    """An upload that has begun.

    Attributes:
        target: The local file that it becomes.
        folder: The folder of its parts.
    """

    target: Path
    folder: Path

    def part(self, number: int) -> Path:
        """Return the file of a part, counted from 1."""
        return self.folder / f"{number}.part"

    def complete(self, numbers: list[int]) -> None:
        """Join parts into the target, which appears as a whole.

        Raises:
            DatabricksError: 400, if a part was not uploaded.
        """
        for number in numbers:
            if not self.part(number).exists():
                raise invalid(f"Part {number} of the upload is missing.")
        whole = self.folder / "whole"
        with whole.open("wb") as file:
            for number in numbers:
                with self.part(number).open("rb") as part:
                    shutil.copyfileobj(part, file)
        place(whole, self.target)


def place(source: Path, target: Path) -> None:
    """Move a file to where it appears.

    Raises:
        DatabricksError: 400, if a file is in the place of a folder, or the other way round.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
    except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        raise invalid(f"Invalid path: {target.name}: {error.strerror}.") from None


class Uploads:
    """The uploads that have begun and not ended; a restart forgets them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._uploads: dict[str, Upload] = {}
        self.clear()

    def begin(self, target: Path) -> str:
        """Begin an upload; return its token."""
        token = secrets.token_urlsafe(24)
        upload = Upload(target, self._folder / token)
        upload.folder.mkdir()
        self._uploads[token] = upload
        return token

    def get(self, token: str) -> Upload:
        """Return an upload.

        Raises:
            DatabricksError: 404, if it does not exist.
        """
        if token not in self._uploads:
            raise does_not_exist("The upload")
        return self._uploads[token]

    def end(self, token: str) -> None:
        """Forget an upload and its parts, if it exists."""
        if upload := self._uploads.pop(token, None):
            shutil.rmtree(upload.folder, ignore_errors=True)

    def clear(self) -> None:
        """Forget all uploads."""
        self._uploads.clear()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
