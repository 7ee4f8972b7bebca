"""Find the resource that a request is about."""

from __future__ import annotations

import re

from starlette.requests import Request

from azureml_emulator.arm.errors import bad_request, not_found
from azureml_emulator.context import context_of
from azureml_emulator.store import Document


def arm_path(request: Request) -> str:
    """Return a request's ARM path: an id, a collection, or an id with an action.

    Names in it are spelled as the client wrote them.
    """
    return str(request.scope["path"])


def parent(path: str) -> str:
    """Return an ARM path without its last segment."""
    return path.rsplit("/", 1)[0]


def get_resource(request: Request, resource_id: str) -> Document:
    """Return the resource with an ARM id.

    Raises:
        ArmError: 404, if it does not exist.
    """
    store = context_of(request).store
    resource = store.get(resource_id)
    if resource is None:
        raise not_found(resource_id, deleted=store.was_deleted(resource_id))
    return resource


def check_name(what: str, name: str, pattern: str, rule: str) -> None:
    """Validate a name that a client chose.

    Args:
        what: The kind of thing it names.
        name: The name.
        pattern: The regular expression that the whole name must match.
        rule: The same in words, for the error.

    Raises:
        ArmError: 400, if it does not match.
    """
    if not re.fullmatch(pattern, name):
        raise bad_request(f"{name!r} is not a valid name for {what}: {rule}.")
