"""Errors of failed provisioning of online endpoints and deployments.

The texts are those that users reported. A resource that was never provisioned cannot be updated, only deleted and
created again; one that failed in a later update can be updated.
"""

from __future__ import annotations

import json

from azureml_emulator.arm.errors import ArmError, conflict
from azureml_emulator.arm.transitions import UNSUCCESSFUL, State
from azureml_emulator.context import Context
from azureml_emulator.store import Document

CALL_FAILED = "InferencingClientCallFailed"


def without_code(error: ArmError) -> ArmError:
    """Move the error code to the start of the message, with null for the code.

    The service reports failed provisioning so.
    """
    return ArmError(error.status, "", f"{error.code}: {error.message}", details=error.details)


def refuse_unprovisioned_endpoint(context: Context, endpoint: Document | None, kind: str) -> None:
    """Refuse to update an endpoint whose creation failed.

    Args:
        context: The emulator.
        endpoint: The endpoint, if it exists.
        kind: The operation that creates it.

    Raises:
        ArmError: 400, if its creation failed.
    """
    if endpoint is not None and not _was_provisioned(context, endpoint, kind):
        raise _refusal(
            f"Specified endpoint [{endpoint['name']}] has not been created successfully. Please recreate the endpoint."
        )


def refuse_deployment_on(context: Context, endpoint: Document, kind: str) -> None:
    """Refuse a deployment on an endpoint that failed or is being deleted.

    Args:
        context: The emulator.
        endpoint: The endpoint.
        kind: The operation that creates it.

    Raises:
        ArmError: 400, if its creation failed or it is being deleted.
    """
    is_going = endpoint["properties"]["provisioningState"] == State.DELETING
    if is_going or not _was_provisioned(context, endpoint, kind):
        raise _refusal(
            "This endpoint has not been created successfully or is in deleting provisioning state. "
            "Please recreate endpoint and then try again to create deployment."
        )


def refuse_deployment_on_busy(context: Context, endpoint: Document) -> None:
    """Refuse a deployment on an endpoint that another operation is changing.

    Raises:
        ArmError: 409, if one is.
    """
    if state := context.transitions.busy_state(endpoint):
        raise conflict(
            f"Cannot create a deployment in endpoint {endpoint['name']} because it is in {state} provisioning state."
        )


def refuse_taken_name(context: Context, other: str) -> None:
    """Refuse the name of an endpoint of the other kind: names are unique in a region.

    Args:
        context: The emulator.
        other: The other endpoint's path in the workspace, such as `batchEndpoints/digits`.

    Raises:
        ArmError: 400, if it exists.
    """
    if context.store.get(f"{context.settings.workspace_id}/{other}"):
        raise _refusal(
            "There is already an endpoint with this name, Endpoint name needs to be unique within a region. "
            "Try some other name."
        )


def refuse_unprovisioned_deployment(context: Context, deployment: Document | None, kind: str) -> None:
    """Refuse to update a deployment whose first provisioning failed.

    Args:
        context: The emulator.
        deployment: The deployment, if it exists.
        kind: The operation that provisions it.

    Raises:
        ArmError: 400, if it was never provisioned.
    """
    if deployment is not None and not _was_provisioned(context, deployment, kind):
        raise _refusal(
            f"Specified deployment [{deployment['name']}] failed during initial provisioning and is in an "
            "unrecoverable state. Delete and re-create."
        )


def _was_provisioned(context: Context, resource: Document, kind: str) -> bool:
    """Return whether a resource was provisioned once, or is being provisioned."""
    is_unsuccessful = resource["properties"]["provisioningState"] in UNSUCCESSFUL
    return not is_unsuccessful or context.operations.has_succeeded(kind, resource)


def _refusal(problem: str) -> ArmError:
    document = {"errors": {"": [problem]}, "title": "One or more validation errors occurred."}
    below = ArmError(400, CALL_FAILED, json.dumps(document, separators=(",", ":")))
    return ArmError(400, "BadRequest", "The request is invalid.", details=[below])
