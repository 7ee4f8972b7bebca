"""Facts from the contract's published examples, for operations of which no answer was recorded.

The examples are in Azure/azure-rest-api-specs, specification/machinelearningservices. They show statuses and keys, but
made-up values and no headers.
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
MODELS = f"{WS}/models/n"
EXAMPLES = {
    "Quota/../VirtualMachineSize/list.json": ("GET", "/subscriptions/s/x"),
}


def read(folder: Path) -> Iterator[tuple[Case, Facts]]:
    """Yield the facts of an API version's examples.

    Args:
        folder: Its folder `examples`; the folder around it is named after the API version.
    """
    version = folder.parent.name
    for name, (method, path) in EXAMPLES.items():
        for status, response in json.loads((folder / name).read_text())["responses"].items():
            url = f"https://management.azure.com{path}"
            shown = exchange(method, url, int(status), {}, response.get("body"), year=int(version[:4]))
            case, facts = facts_of(shown)
            yield case, replace(facts, headers={}, body=without_values(facts.body), contract=version)


def without_values(shape: Shape) -> Shape:
    """Return a shape without values of enumerations."""
    keys = None if shape.keys is None else {name: _key(key) for name, key in shape.keys.items()}
    items = None if shape.items is None else without_values(shape.items)
    return replace(shape, values=frozenset(), recent_values=frozenset(), keys=keys, items=items)


def _key(key: Key) -> Key:
    return replace(key, shape=without_values(key.shape))
