"""Find the assets that jobs refer to."""

from __future__ import annotations

from azureml_emulator.arm.errors import ArmError
from azureml_emulator.arm.resources import PROVIDER
from azureml_emulator.store import Document, Store

DEFAULT_VERSION = "azureml_default"
"""The version clients name for a component's default version."""


def find_asset(store: Store, reference: str, *collections: str) -> Document:
    """Find a version of an asset of this workspace.

    Args:
        store: Holds the assets.
        reference: Its ARM id, with or without `azureml:`; for components also of the default version.
        collections: Accepted collections, such as `components`.

    Raises:
        ArmError: 400, if there is no such asset.
    """
    asset_id = reference.removeprefix("azureml:").replace("/labels/default", f"/versions/{DEFAULT_VERSION}")
    container, _, version = asset_id.rpartition("/versions/")
    asset = newest_version(store, container) if version == DEFAULT_VERSION else store.get(asset_id)
    kinds = [f"{PROVIDER}/workspaces/{collection}/versions" for collection in collections]
    if asset is None or asset["type"] not in kinds:
        raise ArmError(
            400, "UserError", f"The asset {reference} was not found in the workspace's {' or '.join(collections)}."
        )
    return asset


def newest_version(store: Store, container_id: str) -> Document | None:
    """Return the newest version of an asset that is not archived; None without one."""
    versions = store.list_collection(f"{container_id}/versions")
    return next((version for version in reversed(versions) if not version["properties"]["isArchived"]), None)
