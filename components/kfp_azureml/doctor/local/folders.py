"""Check the folders that local runs write to, and the umask of their files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from kfp_azureml.doctor.local.machine import existing_parent
from kfp_azureml.local.folder_permissions import check_permissions
from kfp_azureml.runtime.checks import Outcome, failed, passed
from kfp_azureml.runtime.errors import OutputError

_OWNER, _OTHERS_WRITE = 0o700, 0o002


def check_umask() -> Outcome:
    """Check that new files are usable by their owner and not writable by everyone."""
    umask = os.umask(0o077)
    os.umask(umask)
    if umask & _OWNER:
        return failed(f"umask {umask:03o} takes rights from the owner: a run cannot use its own files", "umask 022")
    if not umask & _OTHERS_WRITE:
        return failed(
            f"with umask {umask:03o} every user can write to new folders, which a run refuses to use", "umask 022"
        )
    return passed(f"umask {umask:03o}")


def check_runs(folder: Path) -> Outcome:
    """Check that the folder of the runs can be written to, by this user only."""
    place = existing_parent(folder)
    if not os.access(place, os.W_OK | os.X_OK):
        return failed(f"no permission to write to {place}", f"--runs FOLDER, or chmod u+wx {place}")
    if folder.is_dir():
        return _of_this_user(folder, f"chmod o-w {folder}, or --runs FOLDER")
    if folder.exists():
        return failed(f"{folder} is not a folder", "--runs FOLDER")
    return passed(f"{folder} can be created")


def check_cache(environ: Mapping[str, str] = os.environ) -> Outcome:
    """Check that the emulator's cache, from which it runs programs, belongs to this user."""
    folder = cache_folder(environ)
    if not folder.is_dir():
        place = existing_parent(folder)
        if os.access(place, os.W_OK | os.X_OK):
            return passed(f"{folder} can be created")
        return failed(f"no permission to create {folder}", "export AZUREML_EMULATOR_CACHE=FOLDER")
    return _of_this_user(folder, f"chmod o-w {folder}, or export AZUREML_EMULATOR_CACHE=FOLDER")


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the emulator's cache folder, as emulator/REFERENCE.md describes it."""
    if own := environ.get("AZUREML_EMULATOR_CACHE"):
        return Path(own)
    shared = environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "azureml-emulator"


def _of_this_user(folder: Path, mend: str) -> Outcome:
    try:
        check_permissions(folder)
    except OutputError as error:
        return failed(str(error), mend)
    if not os.access(folder, os.W_OK | os.X_OK):
        return failed(f"no permission to write to {folder}", mend)
    return passed(f"{folder} belongs to this user")
