"""Failed provisioning of online endpoints and deployments: how the service says it, and what it refuses afterwards.

The texts are those that users reported. What was never provisioned cannot be updated, only deleted and created again;
what failed at a later update can be updated.
"""

from __future__ import annotations

import json

from azureml_emulator.arm.errors import ArmError
from azureml_emulator.arm.transitions import UNSUCCESSFUL, State
from azureml_emulator.context import Context
from azureml_emulator.store import Document

CALL_FAILED = "InferencingClientCallFailed"


def without_code(error: ArmError) -> ArmError:
    """Put the code of a failed provisioning where the service has it: before the message, with null for the code.

    Args:
        error: Why the provisioning failed.

    Returns:
        What its operation says.
    """
    return ArmError(error.status, "", f"{error.code}: {error.message}", details=error.details)


def refuse_unprovisioned_endpoint(context: Context, endpoint: Document | None, kind: str) -> None:
    """Refuse to update an endpoint whose creation failed.

    Args:
        context: The emulator.
        endpoint: The endpoint, if it is there.
        kind: The operation that creates it.

    Raises:
        ArmError: 400, if its creation failed.
    """
    if endpoint is not None and not _was_provisioned(context, endpoint, kind):
        raise _refusal(
            f"Specified endpoint [{endpoint['name']}] has not been created successfully. Please recreate the endpoint."
        )


def refuse_deployment_on(context: Context, endpoint: Document, kind: str) -> None:
    """Refuse a deployment on an endpoint that cannot take one.

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


def refuse_unprovisioned_deployment(context: Context, deployment: Document | None, kind: str) -> None:
    """Refuse to update a deployment whose first provisioning failed.

    Args:
        context: The emulator.
        deployment: The deployment, if it is there.
        kind: The operation that provisions it.

    Raises:
        ArmError: 400, if it has never been provisioned.
    """
    if deployment is not None and not _was_provisioned(context, deployment, kind):
        raise _refusal(
            f"Specified deployment [{deployment['name']}] failed during initial provisioning and is in an "
            "unrecoverable state. Delete and re-create."
        )


def _was_provisioned(context: Context, resource: Document, kind: str) -> bool:
    """Say whether a resource has been provisioned once, or still is being provisioned."""
    is_unsuccessful = resource["properties"]["provisioningState"] in UNSUCCESSFUL
    return not is_unsuccessful or context.operations.has_succeeded(kind, resource)


def _refusal(problem: str) -> ArmError:
    document = {"errors": {"": [problem]}, "title": "One or more validation errors occurred."}
    below = ArmError(400, CALL_FAILED, json.dumps(document))
    return ArmError(400, "BadRequest", "The request is invalid.", details=[below])
