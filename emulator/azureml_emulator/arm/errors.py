"""Errors of Azure Resource Manager and of the Azure ML service behind it.

Recorded 2022 to 2024: Azure Resource Manager's gateway answers on its own with a code and a message; the service adds
details and where the error comes from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from azureml_emulator.store import Document

RESOURCE_ID = re.compile(r"/subscriptions/([^/]+)/resourceGroups/([^/]+)/providers/(.+/.+/.+)", re.IGNORECASE)
# Resources that Azure Resource Manager keeps track of: its gateway answers for those that never existed.
TRACKED = {
    "workspaces",
    "workspaces/computes",
    "workspaces/onlineEndpoints",
    "workspaces/onlineEndpoints/deployments",
    "workspaces/batchEndpoints",
    "workspaces/batchEndpoints/deployments",
}
# What the service says of a missing resource, by type below the workspace. {0}, {1} are the names in its id.
# Recorded: both kinds of endpoints' resources, models, environments, components, data; the others follow them.
TEXTS = {
    "models": "Model container with name: {0} not found.",
    "models/versions": "Model with name: {0} and version: {1} not found.",
    "environments": "No environment exists for name: {0}, version: , label: ",
    "environments/versions": "No environment exists for name: {0}, version: {1}, label: ",
    "components": "Not found component {0}.",
    "components/versions": "Not found component {0}, version {1}.",
    "data": "{0} container was not found.",
    "data/versions": "{0}:{1} was not found.",
    "codes": "Code {0} was not found.",
    "codes/versions": "Code {0}:{1} was not found.",
    "datastores": "Could not find datastore: {0}.",
    "jobs": "Run {0} was not found.",
    "onlineEndpoints": "There is no endpoint with name: {0} in Workspace: {workspace}",
    "onlineEndpoints/deployments": (
        "There is no service with name: {1}-{0} in Subscription: {subscription}, ResourceGroup: {group}, "
        "Workspace: {workspace}"
    ),
    "batchEndpoints": (
        "An endpoint with the name '{0}' does not exist in the workspace '{workspace}'. Please check the endpoint name "
        "and also ensure the current user has access to it."
    ),
    "batchEndpoints/deployments": "Deployment {1} not found in endpoint {0}, workspace {workspace}",
}
# Code of the whole error and of its only detail, where there is one.
NESTED = {
    "models": ("UserError", "ModelNotFound"),
    "models/versions": ("UserError", "ModelNotFound"),
    "onlineEndpoints": ("NotFound", "NoSuchEndpoint"),
    "onlineEndpoints/deployments": ("NotFound", "NoSuchService"),
}


class ArmError(Exception):
    """An error response.

    Attributes:
        status: The HTTP status.
        code: The error code, such as `UserError`; empty for null.
        message: The message for people, without control characters of what it quotes.
        headers: More response headers.
        details: Nested errors.
        gateway: Whether Azure Resource Manager answers itself, instead of the service.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        headers: Mapping[str, str] | None = None,
        *,
        details: Sequence[ArmError] = (),
        gateway: bool = False,
    ) -> None:
        self.message = _printable(message)
        super().__init__(self.message)
        self.status = status
        self.code = code
        self.headers = headers
        self.details = details
        self.gateway = gateway

    def document(self) -> Document:
        """The `error` object of a response body or of a failed operation."""
        document: Document = {"code": self.code or None, "message": self.message}
        if self.gateway:
            return document
        return {**document, "details": [error.document() for error in self.details], "additionalInfo": []}


def _printable(text: str) -> str:
    """Escape what a terminal would act on."""
    return "".join(
        each if each.isprintable() or each in "\n\t" else each.encode("unicode_escape").decode() for each in text
    )


def bad_request(message: str) -> ArmError:
    """An invalid request."""
    return ArmError(400, "UserError", message)


def conflict(message: str) -> ArmError:
    """A request that the resource's state forbids."""
    return ArmError(409, "Conflict", message)


def missing(message: str) -> ArmError:
    """Something missing that is no ARM resource, such as an artifact."""
    return ArmError(404, "UserError", message)


def not_emulated(what: str) -> ArmError:
    """A feature of the real service that is not emulated."""
    return ArmError(501, "NotImplementedByEmulator", f"Not emulated: {what}.")


def not_found(resource_id: str, *, deleted: bool = False) -> ArmError:
    """A missing resource.

    Args:
        resource_id: Its ARM id.
        deleted: Whether it existed: Azure Resource Manager then still passes requests on to the service.
    """
    found = RESOURCE_ID.fullmatch(resource_id)
    if found is None:
        return missing(f"{resource_id} was not found.")
    subscription, group, path = found.groups()
    _, *segments = path.split("/")
    kind, names = "/".join(segments[::2]), segments[1::2]
    below = kind.removeprefix("workspaces/")
    if (kind in TRACKED and not deleted) or below not in TEXTS or below == kind:
        return ArmError(
            404,
            "ResourceNotFound",
            f"The Resource '{path}' under resource group '{group}' was not found. For more details please go to "
            "https://aka.ms/ARMResourceNotFoundFix",
            gateway=True,
        )
    text = TEXTS[below].format(*names[1:], workspace=names[0], subscription=subscription, group=group)
    if below not in NESTED:
        return missing(text)
    code, inner = NESTED[below]
    return ArmError(404, code, "The specified resource was not found.", details=[ArmError(404, inner, text)])
