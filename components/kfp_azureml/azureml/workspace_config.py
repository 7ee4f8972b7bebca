"""Read a workspace's `config.json`, as downloaded from Azure ML studio.

The SDK reads it too, but only as UTF-8, and raises a traceback for an invalid file.
"""

from __future__ import annotations

from pathlib import Path

from kfp_azureml.runtime.errors import WorkspaceError
from kfp_azureml.runtime.text_files import read_user_json

_FOLDERS = (".azureml", "aml_config", "")
_FILES = ("config.json", "project.json")
_KEYS = ("subscription_id", "resource_group", "workspace_name")
_SCOPE_PARTS = (2, 4, 8)  # of /subscriptions/../resourceGroups/../providers/../workspaces/..


def configured_workspace() -> tuple[str, str, str]:
    """Return subscription, resource group and workspace from the nearest file, in the SDK's search order.

    Raises:
        WorkspaceError: If there is no file or it is incomplete.
    """
    found = find_config()
    if found is None:
        raise WorkspaceError(
            f"no workspace given: set resource_group and workspace, or put a config.json into {Path.cwd()} or a parent "
            "folder (download it from Azure ML studio)"
        )
    named = _named(read_user_json(found, WorkspaceError))
    if named is None:
        raise WorkspaceError(
            f"{found}: no workspace in it: expected the texts {', '.join(_KEYS)}; or set resource_group and workspace"
        )
    return named


def find_config() -> Path | None:
    """Return the nearest file; None if there is none."""
    here = Path.cwd()
    for folder in _FOLDERS:
        for file in _FILES:
            for above in (here, *here.parents):
                if (above / folder / file).is_file():
                    return above / folder / file
    return None


def _named(config: object) -> tuple[str, str, str] | None:
    if not isinstance(config, dict):
        return None
    # The v1 SDK wrote a single resource id.
    if scope := config.get("Scope"):
        parts = str(scope).split("/")
        config = dict(zip(_KEYS, (parts[part] for part in _SCOPE_PARTS if part < len(parts)), strict=False))
    values = [config.get(key) for key in _KEYS]
    if not all(isinstance(value, str) and value for value in values):
        return None
    subscription, group, workspace = map(str, values)
    return subscription, group, workspace
