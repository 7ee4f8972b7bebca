"""Where jobs run. All run on this machine; the compute they name has to be there all the same."""

from __future__ import annotations

from azureml_emulator.arm.errors import ArmError
from azureml_emulator.store import Store

SERVERLESS = "serverless"


def check_compute(store: Store, workspace_id: str, compute: object) -> str | None:
    """Check that a job's compute is there.

    Args:
        store: Where the computes are.
        workspace_id: ARM id of their workspace.
        compute: The compute's ARM id or name; nothing or `serverless` is what Azure ML finds by itself.

    Returns:
        The compute's name, or None for serverless.

    Raises:
        ArmError: 400, if it is not there.
    """
    name = str(compute or SERVERLESS).removeprefix("azureml:").rsplit("/", 1)[-1]
    if name.lower() == SERVERLESS:
        return None
    if store.get(f"{workspace_id}/computes/{name}") is None:
        raise ArmError(400, "UserError", f"The compute {name!r} was not found in the workspace.")
    return name
