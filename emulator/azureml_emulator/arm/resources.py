"""Resources in Azure Resource Manager's form."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from azureml_emulator.arm.errors import bad_request
from azureml_emulator.store import Document

PROVIDER = "Microsoft.MachineLearningServices"


def now() -> str:
    """The current time as ARM writes it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def new_resource(
    resource_id: str, properties: Document, *, previous: Document | None = None, **top_level: Any
) -> Document:
    """Build a resource in ARM's shape.

    Args:
        resource_id: Its ARM id; name and type follow from it.
        properties: What is its own.
        previous: The resource it replaces: the time of creation stays.
        top_level: More fields beside `properties`, such as `location`.

    Returns:
        The resource.
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
    """Read a property that is an object.

    Args:
        properties: Where it is, or is not.
        name: Its name.

    Returns:
        The object; empty when it is missing or null.

    Raises:
        ArmError: 400, if it is anything else.
    """
    value = properties.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise bad_request(f"{name!r} must be an object, not {value!r}.", target=name)
    return value


def text_in(properties: Document, name: str) -> str | None:
    """Read a property that is a string.

    Args:
        properties: Where it is, or is not.
        name: Its name.

    Returns:
        The string; None when it is missing or null.

    Raises:
        ArmError: 400, if it is anything else.
    """
    value = properties.get(name)
    if value is not None and not isinstance(value, str):
        raise bad_request(f"{name!r} must be a string, not {value!r}.", target=name)
    return value
