"""Run all submitted jobs, a few commands at a time."""

from __future__ import annotations

import asyncio
import logging
import re
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from azureml_emulator.arm.errors import ArmError
from azureml_emulator.jobs.command import TimedOut, prepare_python, run_command
from azureml_emulator.jobs.job_context import JobContext
from azureml_emulator.jobs.pipeline import PipelineSpec, run_pipeline
from azureml_emulator.jobs.runs import Run, Status, experiment_id
from azureml_emulator.jobs.specs import CommandSpec

RUN_TOKEN_AUDIENCE = "https://ml.azure.com"  # noqa: S105 - whom it is for

logger = logging.getLogger(__name__)


class JobRunner:
    """Runs and cancels jobs.

    Attributes:
        context: The parts of the emulator that jobs use.
    """

    def __init__(self, context: JobContext) -> None:
        self.context = context
        self._environment: Mapping[str, str] = {}
        self._slots = asyncio.Semaphore(context.settings.job_slots)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._links: list[Path] = []
        self._folder = self._new_folder(context.settings.state_dir / "jobs")

    def open(self, environment: Mapping[str, str]) -> None:
        """Set the client environment of jobs; fail the jobs of a previous emulator."""
        self._environment = environment
        error = ArmError(500, "RunInterrupted", "The emulator was stopped while the job was running: submit it again.")
        for run in self.context.runs.unfinished():
            self.context.runs.end(run.id, Status.FAILED, error.document())

    def submit(self, run: Run, spec: CommandSpec | PipelineSpec) -> None:
        """Run a job in the background."""
        task = asyncio.create_task(self._run_job(run, spec))
        self._tasks[run.id] = task
        task.add_done_callback(lambda task: self._finished(run, task))

    async def cancel(self, run_id: str) -> None:
        """Cancel a job and wait until its processes have ended."""
        if task := self._tasks.get(run_id):
            task.cancel()
            await asyncio.wait([task])
        self.context.runs.end_tree(run_id, Status.CANCELED)

    async def wait(self, run_id: str) -> None:
        """Wait until a job has ended."""
        if task := self._tasks.get(run_id):
            await asyncio.wait([task])

    async def clear(self) -> None:
        """Cancel all jobs and forget them."""
        for run_id in list(self._tasks):
            await self.cancel(run_id)
        self.context.runs.clear()

    async def close(self) -> None:
        """End all processes; unfinished jobs fail at the next start."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for link in self._links:
            link.unlink()
            link.parent.rmdir()

    async def _run_job(self, run: Run, spec: CommandSpec | PipelineSpec) -> None:
        if isinstance(spec, CommandSpec):
            await self._run_command(run, spec)
            return
        try:
            await run_pipeline(self.context, run, spec, self._run_command)
        except ArmError as error:
            # Nodes that the failure kept from running.
            for child in self.context.runs.children(run.id):
                self.context.runs.end_tree(child.id, Status.CANCELED)
            self.context.runs.end(run.id, Status.FAILED, error.document())
        else:
            self.context.runs.end(run.id, Status.COMPLETED)

    async def _run_command(self, run: Run, spec: CommandSpec) -> None:
        runs = self.context.runs
        folder = self._folder / run.id
        try:
            # In the service's order (recorded 2022): Starting, Preparing, Queued, Running.
            python = await prepare_python(self.context, run, spec.environment)
            runs.advance(run.id, Status.QUEUED)
            async with self._slots:
                folder.mkdir()
                await run_command(self.context, run, spec, python, self._variables(run), folder)
        except TimedOut:
            message = f"The job exceeded its timeout of {spec.timeout:g} s."
            runs.end(run.id, Status.CANCELED, ArmError(400, "JobTimeout", message).document())
        except ArmError as error:
            runs.end(run.id, Status.FAILED, error.document())
        else:
            runs.end(run.id, Status.COMPLETED)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    def _finished(self, run: Run, task: asyncio.Task[None]) -> None:
        if self._tasks.pop(run.id, None) is None or task.cancelled():
            return  # closing down, or cancelled by `cancel`
        if error := task.exception():
            logger.error("The job %s failed", run.id, exc_info=error)
            failure = ArmError(500, "InternalServerError", f"{type(error).__name__}: {error}")
            self.context.runs.end_tree(run.id, Status.FAILED, failure.document())

    def _variables(self, run: Run) -> dict[str, str]:
        settings, tokens = self.context.settings, self.context.tokens
        api = f"https://{settings.api_host}"
        token = tokens.issue(RUN_TOKEN_AUDIENCE)
        experiment = experiment_id(settings.workspace_id, run.experiment)
        return {
            **self._environment,
            "AZUREML_RUN_ID": run.id,
            "AZUREML_ROOT_RUN_ID": run.root,
            "AZUREML_RUN_TOKEN": token,
            "AZUREML_RUN_TOKEN_EXPIRY": str(int(time.time()) + settings.token_seconds),
            "AZUREML_EXPERIMENT_NAME": run.experiment,
            "AZUREML_EXPERIMENT_ID": experiment,
            "AZUREML_ARM_SUBSCRIPTION": settings.subscription_id,
            "AZUREML_ARM_RESOURCEGROUP": settings.resource_group,
            "AZUREML_ARM_WORKSPACE_NAME": settings.workspace,
            "AZUREML_ARM_PROJECT_NAME": run.experiment,
            "AZUREML_WORKSPACE_SCOPE": settings.workspace_id,
            "AZUREML_SERVICE_ENDPOINT": api,
            "AZUREML_RUN_HISTORY_SERVICE_ENDPOINT": api,
            "AZUREML_DISCOVERY_SERVICE_ENDPOINT": f"{api}/discovery",
            # MLflow logs to the job's own run.
            "MLFLOW_TRACKING_URI": settings.tracking_uri,
            "MLFLOW_TRACKING_TOKEN": token,
            "MLFLOW_EXPERIMENT_NAME": run.experiment,
            "MLFLOW_EXPERIMENT_ID": experiment,
            "MLFLOW_RUN_ID": run.id,
        }

    def _new_folder(self, folder: Path) -> Path:
        """Create the folder of all jobs; its path needs no quoting in a shell."""
        # Left by a killed emulator.
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if re.fullmatch(r"[\w@%+=:,./-]+", str(folder)):
            return folder
        link = Path(tempfile.mkdtemp(prefix="azureml-", dir="/tmp")) / "jobs"
        link.symlink_to(folder)
        self._links.append(link)
        return link
