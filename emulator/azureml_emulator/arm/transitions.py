"""The provisioning states of a resource, and which may follow which."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum

from azureml_emulator.arm.errors import conflict
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
# A deletion is possible in any state; only it and the resource's own operation change a busy resource.
FOLLOW: dict[State, tuple[State, ...]] = {
    State.CREATING: (*ENDS, State.DELETING),
    State.UPDATING: (*ENDS, State.DELETING),
    State.DELETING: (State.FAILED, State.CANCELED, State.DELETING),
    State.SUCCEEDED: (State.UPDATING, State.DELETING),
    State.FAILED: (State.UPDATING, State.DELETING),
    State.CANCELED: (State.UPDATING, State.DELETING),
}


class Transitions:
    """Moves resources between states.

    A request begins a move (`begin_put`, or `move` to Deleting); the operation it starts ends it (see `Operations`).
    """

    def __init__(self, store: Store, settle_seconds: float = 0.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._settle_seconds = settle_seconds
        self._clock = clock
        self._settled: dict[str, float] = {}

    def begin_put(self, previous: Document | None) -> State:
        """Return the state during a PUT: Creating or Updating.

        Raises:
            ArmError: 409, if the resource cannot be changed now.
        """
        self.refuse_if_busy(previous)
        return State.CREATING if previous is None else State.UPDATING

    def refuse_if_busy(self, resource: Document | None) -> None:
        """Refuse a change during an operation and for the settle time after it.

        Raises:
            ArmError: 409, if the resource cannot be changed now.
        """
        if resource and (state := self.busy_state(resource)):
            raise conflict(f"{resource['id']} is in state {state}; wait until the operation has ended.")

    def busy_state(self, resource: Document) -> State | None:
        """Return the state for which a resource refuses changes; None if it accepts them."""
        state = State(resource["properties"]["provisioningState"])
        if state in BUSY:
            return state
        # As on the service: Succeeded, but still refused as Updating (Azure/azure-sdk-for-net#36961).
        settles = self._settled.get(resource["id"].lower(), 0.0) + self._settle_seconds
        return State.UPDATING if self._clock() < settles else None

    def move(self, resource_id: str, state: State) -> None:
        """Move a resource to a state; do nothing if it is gone.

        Raises:
            ValueError: If that state cannot follow the present one.
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
        """Return whether an operation is changing a resource; False if it is gone."""
        resource = self._store.get(resource_id)
        return resource is not None and resource["properties"].get("provisioningState") in BUSY
