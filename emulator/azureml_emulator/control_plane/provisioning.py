"""Errors of failed provisioning of online endpoints and deployments.

The texts are those that users reported. A resource that was never provisioned cannot be updated, only deleted and
created again; one that failed in a later update can be updated.
"""

from __future__ import annotations

import json

from azureml_emulator.context import Services
from azureml_emulator.control_plane.arm import ArmError
from azureml_emulator.control_plane.transitions import UNSUCCESSFUL, State
from azureml_emulator.store import Document

CALL_FAILED = "InferencingClientCallFailed"


def without_code(error: ArmError) -> ArmError:
    """Move the error code to the start of the message, with null for the code.

    The service reports failed provisioning so.
    """
    return ArmError(error.status, "", f"{error.code}: {error.message}", details=error.details)


def refuse_unprovisioned_endpoint(parts: Services, endpoint: Document | None, kind: str) -> None:
    """Refuse to update an endpoint whose creation failed.

    Args:
        parts: The emulator.
        endpoint: The endpoint, if it exists.
        kind: The operation that creates it.

    Raises:
        ArmError: 400, if its creation failed.
    """
    if endpoint is not None and not _was_provisioned(parts, endpoint, kind):
        raise _refusal(
            f"Specified endpoint [{endpoint['name']}] has not been created successfully. Please recreate the endpoint."
        )


def refuse_deployment_on(parts: Services, endpoint: Document, kind: str) -> None:
    """Refuse a deployment on an endpoint that failed or is being deleted.

    Args:
        parts: The emulator.
        endpoint: The endpoint.
        kind: The operation that creates it.

    Raises:
        ArmError: 400, if its creation failed or it is being deleted.
    """
    is_going = endpoint["properties"]["provisioningState"] == State.DELETING
    if is_going or not _was_provisioned(parts, endpoint, kind):
        raise _refusal(
            "This endpoint has not been created successfully or is in deleting provisioning state. "
            "Please recreate endpoint and then try again to create deployment."
        )


def refuse_unprovisioned_deployment(parts: Services, deployment: Document | None, kind: str) -> None:
    """Refuse to update a deployment whose first provisioning failed.

    Args:
        parts: The emulator.
        deployment: The deployment, if it exists.
        kind: The operation that provisions it.

    Raises:
        ArmError: 400, if it was never provisioned.
    """
    if deployment is not None and not _was_provisioned(parts, deployment, kind):
        raise _refusal(
            f"Specified deployment [{deployment['name']}] failed during initial provisioning and is in an "
            "unrecoverable state. Delete and re-create."
        )


def _was_provisioned(parts: Services, resource: Document, kind: str) -> bool:
    """Return whether a resource was provisioned once, or is being provisioned."""
    is_unsuccessful = resource["properties"]["provisioningState"] in UNSUCCESSFUL
    return not is_unsuccessful or parts.operations.has_succeeded(kind, resource)


def _refusal(problem: str) -> ArmError:
    document = {"errors": {"": [problem]}, "title": "One or more validation errors occurred."}
    below = ArmError(400, CALL_FAILED, json.dumps(document))
    return ArmError(400, "BadRequest", "The request is invalid.", details=[below])
