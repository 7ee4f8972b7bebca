"""Provisioning states, and the allowed transitions between them."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum

from azureml_emulator.control_plane.arm import conflict
from azureml_emulator.store import Document, Store


class State(StrEnum):
    """A resource's provisioningState."""

    CREATING = "Creating"
    UPDATING = "Updating"
    DELETING = "Deleting"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELED = "Canceled"


BUSY = (State.CREATING, State.UPDATING, State.DELETING)
UNSUCCESSFUL = (State.FAILED, State.CANCELED)
ENDS = (State.SUCCEEDED, State.FAILED, State.CANCELED)
# A deletion is allowed in any state; otherwise only its own operation changes a busy resource.
FOLLOW: dict[State, tuple[State, ...]] = {
    State.CREATING: (*ENDS, State.DELETING),
    State.UPDATING: (*ENDS, State.DELETING),
    State.DELETING: (State.FAILED, State.CANCELED, State.DELETING),
    State.SUCCEEDED: (State.UPDATING, State.DELETING),
    State.FAILED: (State.UPDATING, State.DELETING),
    State.CANCELED: (State.UPDATING, State.DELETING),
}


class Transitions:
    """Moves resources between provisioning states.

    A request begins a move (`begin_put`, `move` to Deleting); its operation ends it: at once, after the configured
    time, or when it is released (see `Operations`).
    """

    def __init__(self, store: Store, settle_seconds: float = 0.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._settle_seconds = settle_seconds
        self._clock = clock
        self._settled: dict[str, float] = {}

    def begin_put(self, previous: Document | None) -> State:
        """Return the state of a resource during a PUT: Creating or Updating.

        Raises:
            ArmError: 409, if it cannot be changed now.
        """
        self.refuse_if_busy(previous)
        return State.CREATING if previous is None else State.UPDATING

    def refuse_if_busy(self, resource: Document | None) -> None:
        """Refuse to change a resource during an operation and shortly after one.

        Raises:
            ArmError: 409, if it cannot be changed now.
        """
        if resource is None:
            return
        state = State(resource["properties"]["provisioningState"])
        if state in BUSY:
            raise conflict(f"{resource['id']} is in state {state}: retry when the operation has ended.")
        # As in the service: Succeeded, yet refused as Updating for a moment (Azure/azure-sdk-for-net#36961).
        if self._clock() < self._settled.get(resource["id"].lower(), 0.0) + self._settle_seconds:
            raise conflict(f"{resource['id']} is in state Updating: retry when the operation has ended.")

    def move(self, resource_id: str, state: State) -> None:
        """Move a resource to a state; ignore a resource that no longer exists.

        Raises:
            ValueError: If the state cannot follow its current one.
        """
        resource = self._store.get(resource_id)
        if resource is None:
            return
        before = State(resource["properties"]["provisioningState"])
        if state not in FOLLOW[before]:
            raise ValueError(f"{resource_id} cannot go from {before} to {state}")
        self._store.set_properties(resource_id, provisioningState=state)
        if state is State.SUCCEEDED:
            self._settled[resource_id.lower()] = self._clock()
        else:
            self._settled.pop(resource_id.lower(), None)

    def is_busy(self, resource_id: str) -> bool:
        """Return whether an operation is changing a resource; False if it has no state."""
        resource = self._store.get(resource_id)
        return resource is not None and resource["properties"].get("provisioningState") in BUSY
