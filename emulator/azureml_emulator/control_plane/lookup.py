"""From a request to the resource it is about."""

from __future__ import annotations

import re

from starlette.requests import Request

from azureml_emulator.arm.errors import bad_request, not_found
from azureml_emulator.context import context_of
from azureml_emulator.store import Document


def arm_path(request: Request) -> str:
    """The ARM path of a request: a resource's id, a collection, or an id with an action behind it.

    Args:
        request: A request to the management host.

    Returns:
        The path, as the client wrote the names in it.
    """
    return str(request.scope["path"])


def parent(path: str) -> str:
    """Take the last segment off an ARM path.

    Args:
        path: The path.

    Returns:
        What is before the last slash.
    """
    return path.rsplit("/", 1)[0]


def get_resource(request: Request, resource_id: str) -> Document:
    """Look up a resource that must be there.

    Args:
        request: The request that needs it.
        resource_id: Its ARM id.

    Returns:
        The resource.

    Raises:
        ArmError: 404, if it is not there.
    """
    resource = context_of(request).store.get(resource_id)
    if resource is None:
        raise not_found(resource_id)
    return resource


def check_name(what: str, name: str, pattern: str, rule: str) -> None:
    """Check a name that a client chose.

    Args:
        what: What it names.
        name: The name.
        pattern: The regular expression it must match as a whole.
        rule: The same for a person.

    Raises:
        ArmError: 400, if it does not match.
    """
    if not re.fullmatch(pattern, name):
        raise bad_request(f"{name!r} is not a valid name for {what}: {rule}.")
