"""Run one command: environment, code and inputs, process, log and outputs."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from azureml_emulator.arm.errors import ArmError
from azureml_emulator.jobs import delivery
from azureml_emulator.jobs.assets import find_asset
from azureml_emulator.jobs.environments import find_environment
from azureml_emulator.jobs.expressions import render_command
from azureml_emulator.jobs.job_context import JobContext, OutputAsset
from azureml_emulator.jobs.logs import IMAGE_LOG, STD_LOG, uploading_log
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
    outputs = delivery.prepare_outputs(context, run, spec.outputs, folder / "outputs")
    values = {f"inputs.{name}": value for name, value in inputs.items()}
    values |= {f"outputs.{name}": str(path) for name, path in outputs.items()}
    # A script, because all users can see a process's arguments.
    script = folder / "command.sh"
    script.write_text(render_command(spec.command, values))
    variables = {
        "PATH": f"{python.parent}{os.pathsep}{os.defpath}",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        **environment,
        **{f"AZURE_ML_{_environment_name(name)}": value for name, value in values.items()},
        # As azure-ai-ml's CommandJob documents, and as Microsoft's components read their values.
        **{f"AZUREML_PARAMETER_{name}": inputs[name] for name, value in spec.inputs.items() if isinstance(value, str)},
        **spec.variables,
    }
    log = folder / "std_log.txt"
    try:
        async with uploading_log(context.blobs, log, run.artifact(STD_LOG)):
            exit_code = await _run_script(context, run, script, log, variables, code, spec.timeout)
    finally:
        await _keep_artifacts(context, run, code)
    if exit_code != 0:
        raise ArmError(
            400,
            "UserError",
            f"Execution failed. User process '{SHELL}' exited with status code {exit_code}. Please check log file"
            f" '{STD_LOG}' for error details. Error: {processes.log_tail(log, LOG_TAIL_LINES)}",
        )
    context.runs.advance(run.id, Status.FINALIZING)
    made = await delivery.collect_outputs(context, run, spec.outputs, outputs)
    context.runs.change(run.id, outputs=made)
    for name, output in spec.outputs.items():
        if output.asset and name in made:
            named = OutputAsset(output.asset.name, output.asset.version, output.type, made[name]["uri"], run.id)
            await context.register_output(named)


async def _run_script(
    context: JobContext,
    run: Run,
    script: Path,
    log: Path,
    variables: Mapping[str, str],
    code: Path,
    timeout: float | None,
) -> int:
    try:
        process = await ChildProcess.start([SHELL, script], log=log, env=variables, cwd=code)
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
