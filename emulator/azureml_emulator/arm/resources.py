"""Resources in Azure Resource Manager's form."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from azureml_emulator.arm.errors import bad_request
from azureml_emulator.store import Document

PROVIDER = "Microsoft.MachineLearningServices"


def now() -> str:
    """Return the current time as ARM writes it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def new_resource(
    resource_id: str, properties: Document, *, previous: Document | None = None, **top_level: Any
) -> Document:
    """Build a resource; its name and type follow from its ARM id.

    Args:
        resource_id: Its ARM id.
        properties: Its `properties`.
        previous: The resource it replaces, whose creation time it keeps.
        top_level: More fields beside `properties`, such as `location`.
    """
    below_provider = resource_id.split(f"/providers/{PROVIDER}/")[1].split("/")
    created = previous["systemData"]["createdAt"] if previous else now()
    return {
        "id": resource_id,
        "name": below_provider[-1],
        "type": "/".join([PROVIDER, *below_provider[::2]]),
        "properties": properties,
        "systemData": {
            "createdAt": created,
            "createdBy": "azureml-emulator",
            "createdByType": "Application",
            "lastModifiedAt": now(),
            "lastModifiedBy": "azureml-emulator",
            "lastModifiedByType": "Application",
        },
        **top_level,
    }


def object_in(properties: Document, name: str) -> Document:
    """Read an object property; return {} if it is missing or null.

    Raises:
        ArmError: 400, if it is anything else.
    """
    value = properties.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise bad_request(f"{name!r} must be an object, not {value!r}.")
    return value


def text_in(properties: Document, name: str) -> str | None:
    """Read a string property; return None if it is missing or null.

    Raises:
        ArmError: 400, if it is anything else.
    """
    value = properties.get(name)
    if value is not None and not isinstance(value, str):
        raise bad_request(f"{name!r} must be a string, not {value!r}.")
    return value
