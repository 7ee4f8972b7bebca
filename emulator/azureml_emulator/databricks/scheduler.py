"""Runs: admission, the order of tasks, retries, timeouts, cancellation, repair."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from azureml_emulator.databricks import states
from azureml_emulator.databricks.clock import milliseconds
from azureml_emulator.databricks.clusters import Clusters
from azureml_emulator.databricks.execution import Execution
from azureml_emulator.databricks.runs import Run, Runs, TaskRun, new_id
from azureml_emulator.databricks.states import State, internal_error
from azureml_emulator.databricks.task_order import result_of, upstream, verdict
from azureml_emulator.test_control.behaviours import Behaviours

POLL_SECONDS = 0.05

logger = logging.getLogger(__name__)


@dataclass
class _Active:
    """A run in this process.

    Attributes:
        main: What drives it.
        tasks: What runs its tasks, by their run ids.
    """

    main: asyncio.Task[State]
    tasks: dict[int, asyncio.Task[State]] = field(default_factory=dict)


class Scheduler:
    """Runs jobs and submitted runs, a few tasks at a time."""

    def __init__(
        self, runs: Runs, clusters: Clusters, execution: Execution, behaviours: Behaviours, slots: int
    ) -> None:
        self._runs = runs
        self._clusters = clusters
        self._execution = execution
        self._behaviours = behaviours
        self._slots = asyncio.Semaphore(slots)
        self._active: dict[int, _Active] = {}
        self._admitted: dict[int, int] = {}
        self._queue_moved = asyncio.Event()
        self._closing = False

    def fail_lost_runs(self) -> None:
        """End the runs of a previous emulator."""
        for run in self._runs.active():
            self._runs.end(run.id, states.DRIVER_LOST)

    def start(self, run: Run) -> None:
        """Run a run in the background."""
        if not self._admit(run) and not (run.settings.get("queue") or {}).get("enabled"):
            self._runs.end(run.id, states.TOO_MANY_RUNS)
            return
        main = asyncio.create_task(self._run(run))
        self._active[run.id] = _Active(main)
        main.add_done_callback(partial(self._finished, run.id))

    def cancel(self, run_id: int) -> None:
        """Cancel a run in the background, or only one of its tasks by the task's run id."""
        if active := self._active.get(run_id):
            self._runs.advance(run_id, states.TERMINATING)
            active.main.cancel()
            return
        found = self._runs.find_task(run_id)
        active = self._active.get(found[0].id) if found else None
        if active and (task := active.tasks.get(run_id)):
            self._runs.advance_task(run_id, states.TERMINATING)
            task.cancel()

    def repair(self, run: Run, keys: Iterable[str], **changes: Any) -> int:
        """Run some tasks of a run that has ended again; return the repair's id."""
        wanted = set(keys)
        again = tuple(_next_attempt(task, repaired=True) for key, task in run.latest.items() if key in wanted)
        repair_id = new_id()
        repair = {
            "id": repair_id,
            "type": "REPAIR",
            "start_time": milliseconds(),
            "task_run_ids": [task.id for task in again],
        }
        repairs = (*run.repairs, repair)
        changed = replace(run, tasks=(*run.tasks, *again), state=states.PENDING, ended=0, repairs=repairs, **changes)
        self.start(self._runs.put(changed))
        return repair_id

    async def clear(self) -> None:
        """End all runs and forget them."""
        await self.close()
        self._runs.clear()
        self._closing = False

    async def close(self) -> None:
        """End all processes; unfinished runs are lost at the next start."""
        self._closing = True
        mains = [active.main for active in self._active.values()]
        for main in mains:
            main.cancel()
        await asyncio.gather(*mains, return_exceptions=True)

    def _finished(self, run_id: int, main: asyncio.Task[State]) -> None:
        del self._active[run_id]
        self._admitted.pop(run_id, None)
        self._queue_moved.set()
        self._queue_moved = asyncio.Event()
        if main.cancelled():
            if not self._closing:
                self._runs.end(run_id, states.CANCELED)
        elif error := main.exception():
            logger.error("The Databricks run %s failed", run_id, exc_info=error)
            self._runs.end(run_id, internal_error(f"{type(error).__name__}: {error}"))
        else:
            self._runs.end(run_id, main.result())

    async def _run(self, run: Run) -> State:
        try:
            async with asyncio.timeout(run.settings.get("timeout_seconds") or None):
                await self._wait_in_queue(run)
                return await self._forced(run) or await self._run_tasks(run)
        except TimeoutError:
            return states.TIMEDOUT

    def _admit(self, run: Run) -> bool:
        """Let a run start, if its job's limit of concurrent runs allows it; return whether it may."""
        if run.id not in self._admitted:
            limit = run.settings.get("max_concurrent_runs", 1) if run.kind == "JOB_RUN" else 1
            if list(self._admitted.values()).count(run.job_id) >= limit:
                return False
            self._admitted[run.id] = run.job_id
        return True

    async def _wait_in_queue(self, run: Run) -> None:
        while not self._admit(run):
            message = "The job has reached its maximum number of concurrent runs."
            queued = State("QUEUED", message=message, queue_code="MAX_CONCURRENT_RUNS_REACHED")
            self._runs.advance(run.id, queued)
            await self._queue_moved.wait()
        self._runs.advance(run.id, states.PENDING)

    async def _forced(self, run: Run) -> State | None:
        """Let the run wait or end as a test wants; return its end, or None to run its tasks."""
        while (behaviour := self._behaviours.run(run.name)) and behaviour.hold:
            held = State(behaviour.hold, message=behaviour.message)
            for task in run.latest.values():
                self._runs.advance_task(task.id, held)
            self._runs.advance(run.id, held)
            await asyncio.sleep(POLL_SECONDS)
        if behaviour is None:
            return None
        return State(behaviour.life_cycle, behaviour.result, behaviour.message, behaviour.code)

    async def _run_tasks(self, run: Run) -> State:
        """Run the tasks that have not ended, each once all it depends on has."""
        ended = {key: task.state for key, task in run.latest.items() if task.state.has_ended}
        waiting = {key: task for key, task in run.latest.items() if key not in ended}
        running: dict[str, TaskRun] = {}
        started = self._active[run.id].tasks
        try:
            while waiting or running:
                ready = [task for task in waiting.values() if ended.keys() >= set(upstream(task.settings))]
                for task in ready:
                    del waiting[task.key]
                    if skipped := verdict(task, ended):
                        ended[task.key] = skipped
                        self._runs.advance_task(task.id, skipped)
                    else:
                        running[task.key] = task
                        started[task.id] = asyncio.create_task(self._run_task(run, task))
                if running:
                    await asyncio.wait([started[task.id] for task in running.values()], return_when="FIRST_COMPLETED")
                for task in [task for task in running.values() if started[task.id].done()]:
                    del running[task.key]
                    state = _end_of(started.pop(task.id))
                    self._runs.advance_task(task.id, state)
                    if _is_retried(task, state):
                        waiting[task.key] = self._runs.add_task(run.id, _next_attempt(task))
                    else:
                        ended[task.key] = state
        finally:
            for background in started.values():
                background.cancel()
            await asyncio.gather(*started.values(), return_exceptions=True)
            started.clear()
        now = self._runs.get(run.id)
        return result_of(now.latest) if now else states.CANCELED

    async def _run_task(self, run: Run, task: TaskRun) -> State:
        own_cluster = None
        try:
            async with asyncio.timeout(task.settings.get("timeout_seconds") or None):
                if task.attempt and (pause := task.settings.get("min_retry_interval_millis")):
                    self._runs.advance_task(task.id, State("WAITING_FOR_RETRY", message="Waiting for retry"))
                    await asyncio.sleep(pause / 1000)
                self._runs.advance_task(task.id, states.PENDING)
                cluster_id, own_cluster = self._find_cluster(run, task)
                self._runs.change_task(task.id, cluster_id=cluster_id)
                if failure := await self._wait_for_cluster(cluster_id):
                    return failure
                async with self._slots:
                    self._runs.advance_task(task.id, states.RUNNING)
                    self._runs.advance(run.id, states.RUNNING)
                    return await self._execution.run(run, task)
        except TimeoutError:
            return states.TIMEDOUT
        finally:
            if own_cluster:
                self._clusters.terminate(own_cluster)

    def _find_cluster(self, run: Run, task: TaskRun) -> tuple[str, str | None]:
        """Return the cluster of a task, empty for serverless, and the one to terminate after it."""
        if cluster_id := task.settings.get("existing_cluster_id"):
            if self._clusters.exists(cluster_id):
                self._clusters.start(cluster_id)
            return cluster_id, None
        specification = task.settings.get("new_cluster")
        if key := task.settings.get("job_cluster_key"):
            clusters = run.settings.get("job_clusters") or []
            specification = next(each.get("new_cluster") for each in clusters if each["job_cluster_key"] == key)
        if not specification:
            return "", None
        cluster_id = self._clusters.create(specification, "JOB")
        return cluster_id, cluster_id

    async def _wait_for_cluster(self, cluster_id: str) -> State | None:
        """Wait until a cluster runs; return why it does not, or None."""
        while cluster_id:
            if not self._clusters.exists(cluster_id):
                return internal_error(f"Cluster {cluster_id} does not exist", "CLUSTER_ERROR")
            cluster = self._clusters.show(cluster_id)
            if cluster["state"] == "RUNNING":
                return None
            if cluster["state"] == "TERMINATED":
                return internal_error(cluster["state_message"] or "Cluster was terminated", "CLUSTER_ERROR")
            await asyncio.sleep(POLL_SECONDS)
        return None


def _end_of(background: asyncio.Task[State]) -> State:
    if background.cancelled():
        return states.CANCELED
    if error := background.exception():
        logger.error("A Databricks task failed", exc_info=error)
        return internal_error(f"{type(error).__name__}: {error}")
    return background.result()


def _is_retried(task: TaskRun, state: State) -> bool:
    retries = task.settings.get("max_retries") or 0
    wanted = state.result == "FAILED" or (state.result == "TIMEDOUT" and task.settings.get("retry_on_timeout"))
    return bool(wanted) and (retries == -1 or task.attempt - task.first_attempt < retries)


def _next_attempt(task: TaskRun, *, repaired: bool = False) -> TaskRun:
    attempt = task.attempt + 1
    first = attempt if repaired else task.first_attempt
    return TaskRun(new_id(), task.key, task.settings, attempt=attempt, first_attempt=first)
