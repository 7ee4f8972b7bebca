from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from azureml_emulator.control_plane.arm import ArmError, new_resource
from azureml_emulator.control_plane.transitions import FOLLOW, State, Transitions
from azureml_emulator.settings import Settings
from azureml_emulator.store import Document, Store

from .conftest import App, Clock
from .test_online_endpoints import deploy, operation_of, put_endpoint

ENDPOINT = "/subscriptions/s/providers/Microsoft.MachineLearningServices/workspaces/w/onlineEndpoints/e"
C, U, D, S, F, X = State.CREATING, State.UPDATING, State.DELETING, State.SUCCEEDED, State.FAILED, State.CANCELED
MAY_FOLLOW = {(C, S), (C, F), (C, X), (C, D), (U, S), (U, F), (U, X), (U, D), (D, F), (D, X), (D, D)} | {
    (end, then) for end in (S, F, X) for then in (U, D)
}


def endpoint(store: Store, state: State) -> Document:
    document = new_resource(ENDPOINT, {"provisioningState": state})
    store.put(document)
    return document


def state_of(store: Store) -> str:
    document = store.get(ENDPOINT)
    assert document is not None
    return str(document["properties"]["provisioningState"])


@pytest.mark.parametrize(("before", "after"), list(product(State, State)))
def test_which_state_may_follow_which(store: Store, before: State, after: State) -> None:
    endpoint(store, before)
    transitions = Transitions(store)

    if (before, after) in MAY_FOLLOW:
        transitions.move(ENDPOINT, after)
        assert state_of(store) == after
    else:
        with pytest.raises(ValueError, match=f"from {before} to {after}"):
            transitions.move(ENDPOINT, after)
        assert state_of(store) == before


def test_every_state_is_listed() -> None:
    assert set(FOLLOW) == set(State)


def test_nothing_happens_to_what_is_gone(store: Store) -> None:
    transitions = Transitions(store)

    transitions.move(ENDPOINT, State.SUCCEEDED)

    assert store.get(ENDPOINT) is None
    assert not transitions.is_busy(ENDPOINT)


@pytest.mark.parametrize("state", State)
def test_a_busy_resource_cannot_be_put(store: Store, state: State) -> None:
    document = endpoint(store, state)
    transitions = Transitions(store)

    if state in (C, U, D):
        assert transitions.is_busy(ENDPOINT)
        with pytest.raises(ArmError, match=state) as caught:
            transitions.begin_put(document)
        assert caught.value.status == 409
    else:
        assert not transitions.is_busy(ENDPOINT)
        assert transitions.begin_put(document) is State.UPDATING
    assert transitions.begin_put(None) is State.CREATING


def test_a_resource_settles_after_it_succeeded(store: Store) -> None:
    clock = Clock()
    transitions = Transitions(store, settle_seconds=5.0, clock=clock)
    document = endpoint(store, State.SUCCEEDED)
    transitions.refuse_if_busy(document)  # long ago
    endpoint(store, State.UPDATING)
    transitions.move(ENDPOINT, State.SUCCEEDED)

    clock.now += 4.9
    with pytest.raises(ArmError, match="state Updating") as caught:
        transitions.refuse_if_busy(document)
    clock.now += 0.2
    transitions.refuse_if_busy(document)

    assert caught.value.status == 409
    for state in (State.SUCCEEDED, State.FAILED):
        endpoint(store, State.UPDATING)
        transitions.move(ENDPOINT, state)
    transitions.refuse_if_busy(endpoint(store, State.FAILED))


@pytest.mark.anyio
class TestEndpoints:
    @pytest.fixture
    def settings(self, tmp_path: Path) -> Settings:
        return Settings(state_dir=tmp_path, settle_seconds=600)

    async def test_an_endpoint_that_settles_refuses_changes_and_deployments(self, app: App) -> None:
        created = await operation_of(app, await put_endpoint(app))

        refused = [await put_endpoint(app), await deploy(app)]

        assert created["status"] == "Succeeded"
        assert (await app.arm.get("onlineEndpoints/digits")).json()["properties"]["provisioningState"] == "Succeeded"
        assert [answer.status_code for answer in refused] == [409, 409]
        # Another one is not concerned, and what is in the way can be deleted.
        assert (await put_endpoint(app, "other")).status_code == 201
        assert (await app.arm.delete("onlineEndpoints/digits")).status_code == 202
