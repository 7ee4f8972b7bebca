"""Run one command: environment, code and inputs, its processes, their logs and outputs."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from azureml_emulator.arm.errors import ArmError
from azureml_emulator.jobs import delivery
from azureml_emulator.jobs.assets import find_asset
from azureml_emulator.jobs.distribution import tf_configs
from azureml_emulator.jobs.environments import find_environment
from azureml_emulator.jobs.expressions import render_command
from azureml_emulator.jobs.job_context import JobContext, OutputAsset
from azureml_emulator.jobs.logs import IMAGE_LOG, STD_LOG, WORKER_LOG, uploading_log
from azureml_emulator.jobs.runs import Run, Status
from azureml_emulator.jobs.specs import CommandSpec
from azureml_emulator.machine import processes
from azureml_emulator.machine.processes import ChildProcess
from azureml_emulator.scoring.build_failures import ImageBuildError
from azureml_emulator.scoring.interpreters import choose_interpreter, provide_interpreter
from azureml_emulator.storage import asset_integrity

LOG_TAIL_LINES = 20
SHELL = shutil.which("bash") or "/bin/bash"
ARTIFACT_FOLDERS = ("outputs", "logs")
"""Folders of the working directory that are stored with the logs."""


class TimedOut(Exception):  # noqa: N818 - a run that is cancelled, no fault
    """A command ran longer than its limit."""


async def prepare_python(context: JobContext, run: Run, environment_id: str) -> Path:
    """Find or build the interpreter of a command; write the build log where clients look for it.

    Raises:
        ArmError: If there is no such environment, or it cannot be built.
    """
    context.runs.advance(run.id, Status.PREPARING)
    environment = find_environment(context.store, environment_id)
    try:
        chosen = choose_interpreter(environment, context.settings.environment_pythons)
        interpreter = await provide_interpreter(environment, chosen)
    except ImageBuildError as error:
        await context.blobs.append(run.artifact(IMAGE_LOG), error.log.encode())
        raise
    if interpreter.notes:
        notes = "".join(f"{note}\n" for note in interpreter.notes)
        await context.blobs.append(run.artifact(IMAGE_LOG), notes.encode())
    return interpreter.python


async def run_command(
    context: JobContext, run: Run, spec: CommandSpec, python: Path, environment: Mapping[str, str], folder: Path
) -> None:
    """Run a command to its end; report progress in its run.

    Args:
        context: The parts of the emulator to use.
        run: The command's run.
        spec: What to run.
        python: The interpreter that its environment has; see `prepare_python`.
        environment: The environment variables of every job.
        folder: An empty folder, whose path is one word for a shell.

    Raises:
        ArmError: If it cannot run, or fails.
        TimedOut: If it exceeds its timeout.
    """
    code = folder / "code"
    if spec.code:
        asset = find_asset(context.store, spec.code, "codes")
        code = await asset_integrity.fetch(context.store, context.blobs, asset, asset["properties"]["codeUri"], code)
    code.mkdir(parents=True, exist_ok=True)
    inputs = await delivery.deliver_inputs(context, spec.inputs, folder / "inputs")
    with tf_configs(spec.workers) as configs:
        workers = [
            _prepare(context, run, spec, index, folder, inputs, {**environment, **config}, python)
            for index, config in enumerate(configs)
        ]
        try:
            failed, exit_code = await _run_workers(context, run, workers, code, spec.timeout)
        finally:
            await _keep_artifacts(context, run, code)
    if exit_code != 0:
        raise ArmError(
            400,
            "UserError",
            f"Execution failed. User process '{SHELL}' exited with status code {exit_code}. Please check log file"
            f" '{failed.log_name}' for error details. Error: {processes.log_tail(failed.log, LOG_TAIL_LINES)}",
        )
    context.runs.advance(run.id, Status.FINALIZING)
    # Each uploads its own outputs; where several wrote the same file, it is that of the first.
    for worker in reversed(workers):
        made = await delivery.collect_outputs(context, run, spec.outputs, worker.outputs)
    context.runs.change(run.id, outputs=made)
    for name, output in spec.outputs.items():
        if output.asset and name in made:
            named = OutputAsset(output.asset.name, output.asset.version, output.type, made[name]["uri"], run.id)
            await context.register_output(named)


@dataclass(frozen=True)
class _Worker:
    """A process of a command.

    Attributes:
        script: The command, with its inputs and outputs filled in.
        log: The file with its output.
        log_name: The log's name among the run's artifacts.
        variables: Its environment variables.
        outputs: The paths of its outputs by name.
    """

    script: Path
    log: Path
    log_name: str
    variables: Mapping[str, str]
    outputs: Mapping[str, Path]


def _prepare(
    context: JobContext,
    run: Run,
    spec: CommandSpec,
    index: int,
    folder: Path,
    inputs: Mapping[str, str],
    environment: Mapping[str, str],
    python: Path,
) -> _Worker:
    own = folder if spec.workers == 1 else folder / f"worker-{index}"
    own.mkdir(exist_ok=True)
    outputs = delivery.prepare_outputs(context, run, spec.outputs, own / "outputs")
    values = {f"inputs.{name}": value for name, value in inputs.items()}
    values |= {f"outputs.{name}": str(path) for name, path in outputs.items()}
    # A script, because all users can see a process's arguments.
    script = own / "command.sh"
    script.write_text(render_command(spec.command, values))
    variables = {
        "PATH": f"{python.parent}{os.pathsep}{os.defpath}",
        "HOME": str(own),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        **environment,
        **{f"AZURE_ML_{_environment_name(name)}": value for name, value in values.items()},
        # As azure-ai-ml's CommandJob documents, and as Microsoft's components read their values.
        **{f"AZUREML_PARAMETER_{name}": inputs[name] for name, value in spec.inputs.items() if isinstance(value, str)},
        **spec.variables,
    }
    log_name = STD_LOG if spec.workers == 1 else WORKER_LOG.format(index)
    return _Worker(script, own / "std_log.txt", log_name, variables, outputs)


async def _run_workers(
    context: JobContext, run: Run, workers: Sequence[_Worker], code: Path, timeout: float | None
) -> tuple[_Worker, int]:
    """Run the processes until all have ended or one has failed; return the last one to end, and its exit code."""

    async def run_one(worker: _Worker) -> tuple[_Worker, int]:
        async with uploading_log(context.blobs, worker.log, run.artifact(worker.log_name)):
            return worker, await _run_script(context, run, worker, code, timeout)

    tasks = [asyncio.create_task(run_one(worker)) for worker in workers]
    try:
        for next_to_end in asyncio.as_completed(tasks):
            worker, exit_code = await next_to_end
            if exit_code != 0:
                break
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return worker, exit_code


async def _run_script(context: JobContext, run: Run, worker: _Worker, code: Path, timeout: float | None) -> int:
    try:
        process = await ChildProcess.start([SHELL, worker.script], log=worker.log, env=worker.variables, cwd=code)
    except OSError as error:  # a value too long for an environment variable
        raise ArmError(400, "UserError", f"The command cannot be started: {error.strerror}.") from None
    context.runs.advance(run.id, Status.RUNNING)
    try:
        async with asyncio.timeout(timeout):
            return await process.wait()
    except TimeoutError:
        raise TimedOut from None
    finally:
        await process.stop()


async def _keep_artifacts(context: JobContext, run: Run, code: Path) -> None:
    for name in ARTIFACT_FOLDERS:
        if (code / name).is_dir():
            await context.blobs.upload(code / name, run.artifact(name))


def _environment_name(expression: str) -> str:
    """Turn `inputs.data` into `INPUT_data`."""
    kind, _, name = expression.partition(".")
    return f"{kind.removesuffix('s').upper()}_{re.sub(r'[^A-Za-z0-9_]', '_', name)}"
