"""Computes of jobs: all jobs run on this machine, but their compute must exist."""

from __future__ import annotations

from azureml_emulator.arm.errors import ArmError
from azureml_emulator.store import Store

SERVERLESS = "serverless"


def check_compute(store: Store, workspace_id: str, compute: object) -> str | None:
    """Return the name of a job's compute; None for serverless.

    Args:
        store: Holds the computes.
        workspace_id: ARM id of their workspace.
        compute: The compute's ARM id or name; nothing or `serverless` for serverless.

    Raises:
        ArmError: 400, if it does not exist.
    """
    name = str(compute or SERVERLESS).removeprefix("azureml:").rsplit("/", 1)[-1]
    if name.lower() == SERVERLESS:
        return None
    if store.get(f"{workspace_id}/computes/{name}") is None:
        raise ArmError(400, "UserError", f"The compute {name!r} was not found in the workspace.")
    return name
