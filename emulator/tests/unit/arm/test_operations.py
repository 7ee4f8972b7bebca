from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from azureml_emulator.arm.errors import ArmError
from azureml_emulator.arm.operations import Operation, Operations, Outcome, Status, forced_outcome
from azureml_emulator.arm.resources import new_resource
from azureml_emulator.arm.transitions import Transitions
from azureml_emulator.store import Store

ENDPOINT = "/subscriptions/s/providers/Microsoft.MachineLearningServices/workspaces/w/onlineEndpoints/e"
pytestmark = pytest.mark.anyio


async def run(store: Store, work: Callable[[str], Awaitable[None]]) -> Operation:
    store.put(new_resource(ENDPOINT, {"provisioningState": "Creating"}))
    operations = Operations(store, Transitions(store))
    operations.define("work", work)
    started = operations.start("work", ENDPOINT)
    assert started.status is Status.IN_PROGRESS
    assert operations.get(started.id) == started
    await operations.wait(started.id)
    ended = operations.get(started.id)
    assert ended is not None
    return ended


def state(store: Store) -> str:
    endpoint = store.get(ENDPOINT)
    assert endpoint is not None
    return str(endpoint["properties"]["provisioningState"])


async def test_work_that_ends_succeeds(store: Store) -> None:
    worked_on = []

    async def work(resource: str) -> None:
        worked_on.append(resource)

    operation = await run(store, work)

    assert worked_on == [ENDPOINT]
    assert operation.status is Status.SUCCEEDED
    assert operation.error is None
    assert operation.ended is not None
    assert operation.ended >= operation.started


async def test_a_refusal_fails_operation_and_resource(store: Store) -> None:
    async def work(_resource: str) -> None:
        raise ArmError(400, "ImageBuildFailure", "no such package")

    operation = await run(store, work)

    assert operation.status is Status.FAILED
    assert operation.error == {
        "code": "ImageBuildFailure",
        "message": "no such package",
        "details": [],
        "additionalInfo": [],
    }
    assert state(store) == "Failed"


async def test_a_bug_of_the_emulator_is_an_internal_error(store: Store) -> None:
    async def work(_resource: str) -> None:
        raise ZeroDivisionError("oh")

    operation = await run(store, work)

    assert operation.error is not None
    assert operation.error["code"] == "InternalServerError"
    assert state(store) == "Failed"


async def test_operations_of_a_killed_emulator_are_resumed(tmp_path: Path, store: Store) -> None:
    async def never(_resource: str) -> None:
        await asyncio.Event().wait()

    async def at_once(_resource: str) -> None:
        pass

    first = Operations(store, Transitions(store))
    first.define("work", never)
    operation = first.start("work", ENDPOINT)
    await first.close()

    second_store = Store(tmp_path / "state.sqlite")
    second = Operations(second_store, Transitions(second_store))
    second.define("work", at_once)
    before = second.get(operation.id)
    second.resume()
    await second.wait(operation.id)
    after = second.get(operation.id)
    second_store.close()

    assert before is not None
    assert before.status is Status.IN_PROGRESS
    assert after is not None
    assert after.status is Status.SUCCEEDED


async def test_cancel_takes_what_is_below_and_nothing_beside(store: Store) -> None:
    unwound = asyncio.Event()

    async def never(_resource: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            unwound.set()

    operations = Operations(store, Transitions(store))
    operations.define("work", never)
    below = operations.start("work", f"{ENDPOINT}/deployments/blue")
    beside = operations.start("work", f"{ENDPOINT}-2")
    await asyncio.sleep(0)
    operations.cancel(ENDPOINT)
    await unwound.wait()

    statuses = [operation.status for operation in map(operations.get, (below.id, beside.id)) if operation]
    await operations.close()
    assert statuses == [Status.CANCELED, Status.IN_PROGRESS]


async def test_a_forced_outcome_applies_to_its_operation_only(store: Store) -> None:
    second: list[Operation] = []

    async def work(_resource: str) -> None:
        second.append(operations.start("more work", f"{ENDPOINT}/deployments/blue"))

    async def more_work(_resource: str) -> None:
        pass

    operations = Operations(store, Transitions(store))
    operations.define("work", work)
    operations.define("more work", more_work)
    forced_outcome.set(Outcome(Status.IN_PROGRESS))
    first = operations.start("work", ENDPOINT)
    beside = operations.start("more work", f"{ENDPOINT}-2")
    async with asyncio.timeout(10):
        await operations.wait(beside.id)
        operations.release()
        await operations.wait(first.id)
        await operations.wait(second[0].id)

    ended = [operations.get(operation.id) for operation in (first, beside, second[0])]
    assert [operation.status for operation in ended if operation] == [Status.SUCCEEDED] * 3


async def test_clear_cancels_and_forgets_what_is_still_unwinding_as_well(store: Store) -> None:
    unwound: list[str] = []

    async def slow_to_end(resource: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            # The one that was cancelled before takes longer.
            await asyncio.sleep(0.2 if resource == ENDPOINT else 0)
            unwound.append(resource)

    operations = Operations(store, Transitions(store))
    operations.define("work", slow_to_end)
    cancelled, running = (operations.start("work", resource) for resource in (ENDPOINT, f"{ENDPOINT}-2"))
    await asyncio.sleep(0)
    operations.cancel(ENDPOINT)

    await operations.clear()

    assert sorted(unwound) == [ENDPOINT, f"{ENDPOINT}-2"]
    assert [operations.get(operation.id) for operation in (cancelled, running)] == [None, None]
