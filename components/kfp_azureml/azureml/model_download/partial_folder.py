"""The hidden folder beside the target in which a download is collected.

.NAME.download/          locked by the download that uses it
    state.json           the model's id, and the ETag of each file
    files/               becomes the target when it is complete and verified
    previous/            the target's former content, while it is replaced
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kfp_azureml.azureml.model_download.model_blobs import BlobFile
from kfp_azureml.azureml.waiting import Deadline
from kfp_azureml.runtime.errors import OutputError
from kfp_azureml.runtime.outputs import atomic_file
from kfp_azureml.runtime.polling import pauses
from kfp_azureml.runtime.step import progress


class PartialFolder:
    """A partial download; see `partial_folder`.

    Attributes:
        target: The folder that it becomes.
        folder: Its own folder.
        files: The files so far.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.folder = _folder_of(target)
        self.files = self.folder / "files"
        self._previous = self.folder / "previous"
        self._state = self.folder / "state.json"

    def keep_only(self, model_id: str, files: Mapping[str, BlobFile]) -> None:
        """Keep what belongs to these files of this model, delete the rest, and record their versions.

        Args:
            model_id: The model version's Azure resource id.
            files: The files as they are in the storage now.
        """
        state = self._read_state()
        if state.get("model") != model_id and self.files.is_dir():
            progress(f"{self.folder}: partial download of another model version, discarded")
            self.discard()
        etags = state.get("etags", {})
        for path in sorted(self.files.rglob("*"), reverse=True):
            name = path.relative_to(self.files).as_posix()
            if path.is_dir():
                with suppress(OSError):
                    path.rmdir()  # if it is empty
            elif name not in files or etags.get(name) != files[name].etag or path.stat().st_size > files[name].size:
                path.unlink()
        with atomic_file(self._state) as part:
            part.write_text(json.dumps({"model": model_id, "etags": {name: one.etag for name, one in files.items()}}))
        for name in files:
            self.path(name).parent.mkdir(parents=True, exist_ok=True)
            self.path(name).touch()

    def path(self, name: str) -> Path:
        """Return the path of a file."""
        return self.files / name

    def size(self, name: str) -> int:
        """Return how many bytes of a file are there."""
        return self.path(name).stat().st_size

    def discard(self) -> None:
        """Delete all files."""
        shutil.rmtree(self.files, ignore_errors=True)

    def become_target(self) -> None:
        """Rename the files to the target; an existing target is replaced."""
        if self.target.is_dir():
            self.target.rename(self._previous)
        try:
            self.files.rename(self.target)
        except BaseException:
            self.restore_previous()
            raise
        shutil.rmtree(self.folder)

    def restore_previous(self) -> None:
        """Undo a replacement that was interrupted."""
        if self._previous.is_dir() and not self.target.exists():
            self._previous.rename(self.target)
        shutil.rmtree(self._previous, ignore_errors=True)

    def _read_state(self) -> dict[str, Any]:
        try:
            state = json.loads(self._state.read_text())
        except (OSError, ValueError):
            return {}
        return state if isinstance(state, dict) else {}


@contextmanager
def partial_folder(target: Path, deadline: Deadline) -> Iterator[PartialFolder]:
    """Yield the partial download of a target; no other process uses it meanwhile.

    Args:
        target: The folder to download to.
        deadline: How long to wait for another download to the same target.

    Raises:
        OutputError: If another download does not end in time, or a file cannot be written. The files stay.
    """
    partial = PartialFolder(target)
    with _one_line(partial):
        lock = _locked(partial.folder, deadline)
        try:
            partial.restore_previous()
            yield partial
        finally:
            if not partial.files.exists():
                shutil.rmtree(partial.folder, ignore_errors=True)
            os.close(lock)


def _folder_of(target: Path) -> Path:
    return target.with_name(f".{target.name}.download")


def _locked(folder: Path, deadline: Deadline) -> int:
    """Create and lock a folder; return the descriptor that holds the lock."""
    pause = pauses()
    told = False
    while True:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except FileNotFoundError:
            continue  # its last owner deleted it
        try:
            _check_owner(folder, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Its last owner may have deleted it between these calls.
            if folder.exists() and os.path.samestat(os.fstat(descriptor), folder.stat()):
                return descriptor
        except BlockingIOError:
            if not told:
                progress(f"{folder}: waiting for another download to the same folder")
                told = True
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if not deadline.remaining:
            raise OutputError(
                f"{folder}: another download to the same folder still runs (timeout_seconds={deadline.seconds:g})"
            )
        if told:
            time.sleep(min(next(pause), deadline.remaining))


def _check_owner(folder: Path, descriptor: int) -> None:
    """Refuse a folder that another user made, who could have put links into it that lead elsewhere.

    Some network file systems give all files to one user, whoever creates them: a new file tells.

    Raises:
        OutputError: If it is another user's.
        PermissionError: If nothing can be created in it.
    """
    with tempfile.TemporaryFile(dir=folder) as own:
        if os.fstat(own.fileno()).st_uid == os.fstat(descriptor).st_uid:
            return
    raise OutputError(f"{folder} belongs to another user: delete it, or choose another folder to download to")


@contextmanager
def _one_line(partial: PartialFolder) -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutputError(
                f"cannot write {partial.folder}: disk full ({error.strerror}); what is downloaded stays there: free "
                "space and run it again to resume, or delete the folder"
            ) from error
        raise OutputError(f"cannot write {partial.target}: {error}") from error
