"""Facts from the contract's published examples, for operations of which no answer was recorded.

The examples are in Azure/azure-rest-api-specs, specification/machinelearningservices. They show statuses and keys, but
made-up values and no headers, and neither all keys nor only those that every answer has.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from exchange import exchange
from facts import Case, Facts
from facts import of as facts_of
from play import WORKSPACE_ID
from shape import Key, Shape

WS = WORKSPACE_ID
LOCATION = "/subscriptions/s/providers/Microsoft.MachineLearningServices/locations/l"
EXAMPLES = {
    "Compute/restart.json": ("POST", f"{WS}/computes/n/restart"),
    "Compute/start.json": ("POST", f"{WS}/computes/n/start"),
    "Compute/stop.json": ("POST", f"{WS}/computes/n/stop"),
    "Datastore/delete.json": ("DELETE", f"{WS}/datastores/n"),
    "Datastore/list.json": ("GET", f"{WS}/datastores"),
    "Job/cancel.json": ("POST", f"{WS}/jobs/n/cancel"),
    "Job/delete.json": ("DELETE", f"{WS}/jobs/n"),
    "OnlineDeployment/ManagedOnlineDeployment/listSkus.json": ("GET", f"{WS}/onlineEndpoints/n/deployments/n/skus"),
    "Usage/list.json": ("GET", f"{LOCATION}/usages"),
    "VirtualMachineSize/list.json": ("GET", f"{LOCATION}/vmSizes"),
    "Workspace/CodeContainer/createOrUpdate.json": ("PUT", f"{WS}/codes/n"),
    "Workspace/CodeContainer/delete.json": ("DELETE", f"{WS}/codes/n"),
    "Workspace/CodeVersion/createOrGetStartPendingUpload.json": (
        "POST", f"{WS}/codes/n/versions/1/startPendingUpload",
    ),
    "Workspace/CodeVersion/delete.json": ("DELETE", f"{WS}/codes/n/versions/1"),
    "Workspace/ComponentContainer/createOrUpdate.json": ("PUT", f"{WS}/components/n"),
    "Workspace/ComponentContainer/delete.json": ("DELETE", f"{WS}/components/n"),
    "Workspace/ComponentVersion/delete.json": ("DELETE", f"{WS}/components/n/versions/1"),
    "Workspace/ComponentVersion/list.json": ("GET", f"{WS}/components/n/versions"),
    "Workspace/DataContainer/delete.json": ("DELETE", f"{WS}/data/n"),
    "Workspace/DataVersionBase/delete.json": ("DELETE", f"{WS}/data/n/versions/1"),
    "Workspace/EnvironmentContainer/delete.json": ("DELETE", f"{WS}/environments/n"),
    "Workspace/EnvironmentVersion/delete.json": ("DELETE", f"{WS}/environments/n/versions/1"),
    "Workspace/ModelContainer/delete.json": ("DELETE", f"{WS}/models/n"),
    "Workspace/ModelVersion/delete.json": ("DELETE", f"{WS}/models/n/versions/1"),
    "Workspace/OnlineDeployment/delete.json": ("DELETE", f"{WS}/onlineEndpoints/n/deployments/n"),
    "Workspace/OnlineEndpoint/listKeys.json": ("POST", f"{WS}/onlineEndpoints/n/listKeys"),
    "Workspace/OnlineEndpoint/regenerateKeys.json": ("POST", f"{WS}/onlineEndpoints/n/regenerateKeys"),
    "Workspace/listKeys.json": ("POST", f"{WS}/listKeys"),
    "Workspace/listStorageAccountKeys.json": ("POST", f"{WS}/listStorageAccountKeys"),
}  # fmt: skip
"""Examples of emulated operations of which no answer was recorded, with their requests."""


def read(folder: Path) -> Iterator[tuple[Case, Facts]]:
    """Yield the facts of an API version's examples, as far as they are there.

    Args:
        folder: Its folder `examples`; the folder around it is named after the API version.
    """
    version = folder.parent.name
    for name, (method, path) in EXAMPLES.items():
        if not (folder / name).is_file():
            continue
        for status, response in json.loads((folder / name).read_text())["responses"].items():
            url = f"https://management.azure.com{path}"
            body = response.get("body")
            if isinstance(body, dict):
                body.pop("nextLink", None)  # shown wherever there may be one
            shown = exchange(method, url, int(status), {}, body, year=int(version[:4]))
            case, facts = facts_of(shown)
            yield case, replace(facts, headers={}, body=without_values(facts.body), contract=version)


def without_values(shape: Shape) -> Shape:
    """Return a shape without values of enumerations."""
    keys = None if shape.keys is None else {name: _key(key) for name, key in shape.keys.items()}
    items = None if shape.items is None else without_values(shape.items)
    return replace(shape, values=frozenset(), recent_values=frozenset(), keys=keys, items=items)


def _key(key: Key) -> Key:
    return replace(key, shape=without_values(key.shape))
