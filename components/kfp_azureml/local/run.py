"""Run a pipeline locally: data, Azure ML, steps, live check and summary."""

from __future__ import annotations

import secrets
import shlex
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from kfp_azureml.compiling.absent_values import check_absent_values
from kfp_azureml.compiling.argument_size import check_sizes
from kfp_azureml.compiling.compile import compile_pipeline
from kfp_azureml.compiling.documents import read_compiled
from kfp_azureml.compiling.options import PipelineOptions
from kfp_azureml.compiling.parameters import Parameter, check_complete, declared_parameters, parse_values
from kfp_azureml.compiling.sources import find_pipeline
from kfp_azureml.compiling.training_settings import check_training_settings
from kfp_azureml.imagesets.fashion_mnist import ADDRESS, CLASSES
from kfp_azureml.imagesets.source import is_azureml_name
from kfp_azureml.local.cloud import Cloud, local_azure_ml, real_azure_ml
from kfp_azureml.local.containers import ContainerSettings, check_images, container_settings
from kfp_azureml.local.data import fashion_mnist, on_this_machine, weights_on_this_machine
from kfp_azureml.local.environment_variables import step_variables
from kfp_azureml.local.event_log import EventLog, StepRecord
from kfp_azureml.local.folder_permissions import check_permissions
from kfp_azureml.local.live_check import CURL_FILE, REQUEST_FILES, check_endpoint, live_check_process
from kfp_azureml.local.pipeline_process import StepSettings
from kfp_azureml.local.prerequisites import allow_open_files
from kfp_azureml.local.screen import Screen
from kfp_azureml.local.step_packages import check_commands, install_packages
from kfp_azureml.local.summary import Summary, write_summary
from kfp_azureml.local.supervisor import supervise
from kfp_azureml.local.worker_group import check_workers
from kfp_azureml.runtime.errors import CancelledError, KfpAzuremlError, OutputError, PipelineError, RejectedError

OF_CLOUD = ("resource_group", "workspace")
"""The parameters whose values come with Azure ML, if the user sets none."""


@dataclass(frozen=True)
class LocalRun:
    """A pipeline to run locally, and how.

    Attributes:
        pipeline: A pipeline's name or file.
        data: Folder or URI of the images; None selects the pipeline's default.
        params: Pipeline parameters by name, as typed.
        runs: Parent folder of the runs' folders, in which `latest` links to the last run.
        keep: Whether to keep the endpoint running until Ctrl-C.
        azure: Whether to use a real workspace instead of the Azure ML emulator.
        docker: Whether to run the steps in containers instead of as processes.
        workers: Number of processes that train together.

    Raises:
        PipelineError: If the settings contradict each other.
    """

    pipeline: str
    data: str | None
    params: Mapping[str, str]
    runs: Path
    keep: bool
    azure: bool
    docker: bool = False
    workers: int = 1

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise PipelineError(f"--workers {self.workers}: expected 1 or more")
        if self.workers > 1 and self.docker:
            raise PipelineError("--workers starts processes on this machine: omit --docker")


def run_locally(wanted: LocalRun) -> None:
    """Run a pipeline locally and write `summary.json`, even if the run fails.

    Raises:
        PipelineError: If a step failed, with the step's own error.
        RejectedError: If the model did not pass the quality gate.
        CancelledError: If the user stopped the run.
    """
    source = find_pipeline(wanted.pipeline)
    folder = _new_run_folder(wanted.runs)
    summary = Summary(started=time.monotonic(), events=EventLog(folder / "events.jsonl"))
    with Screen() as screen:
        screen.say(f"Run {folder.name}: {source.stem}, files in {folder}")
        try:
            _run(wanted, source, folder, summary, screen)
        except RejectedError:
            summary.state = "rejected"
            raise
        except CancelledError:
            summary.state = "cancelled"
            raise
        except KfpAzuremlError as error:
            summary.error = str(error)
            raise
        finally:
            write_summary(folder / "summary.json", summary)


def _run(wanted: LocalRun, source: Path, folder: Path, summary: Summary, screen: Screen) -> None:
    allow_open_files()
    compiled = _compile(source, folder)
    declared = declared_parameters(compiled)
    arguments = _arguments(wanted, declared)
    check_training_settings(read_compiled(compiled), arguments)
    with (
        real_azure_ml() if wanted.azure else local_azure_ml(folder, screen.say) as when_ready,
        # The environments with the steps' packages are deleted after the run.
        tempfile.TemporaryDirectory(prefix="tmp-", dir=folder, ignore_cleanup_errors=True) as scratch,
    ):
        documents = read_compiled(compiled)
        executors = documents.pipeline["deploymentSpec"]["executors"]
        screen.expect(name.removeprefix("exec-") for name in executors)
        check_commands(executors, docker=wanted.docker)
        if wanted.workers > 1:
            check_workers(executors)
        if wanted.docker:
            check_images(compiled)
        arguments |= _input_data(wanted, arguments, declared, folder, screen.say)
        if (weights := arguments.get("initial_weights")) and not wanted.azure:
            with_azure = bool(arguments.get("use_azure_credentials"))
            arguments["initial_weights"] = str(
                weights_on_this_machine(weights, folder / "weights", with_azure, screen.say)
            )
        binaries = {} if wanted.docker else install_packages(executors, Path(scratch), screen.say)
        cloud = when_ready()
        for name, value in zip(OF_CLOUD, (cloud.resource_group, cloud.workspace), strict=True):
            if name in declared:  # if empty, the first step reads a config.json
                arguments.setdefault(name, value)
        check_absent_values(documents, arguments)
        containers = _containers(folder, cloud, arguments, summary.events) if wanted.docker else None
        settings = StepSettings(
            step_variables(documents.platform, cloud.credentials), containers, binaries, wanted.workers
        )
        _point_latest_to(folder)
        keep = wanted.keep and cloud.is_emulated  # a real endpoint keeps running anyway
        try:
            _run_steps(compiled, arguments, cloud, settings, keep, summary, screen)
            summary.state = "succeeded"
            screen.say(f"Succeeded in {summary.seconds:.0f} s")
            _show_results(screen, summary, folder)
            if keep and summary.live_check:
                write_summary(folder / "summary.json", summary)
                _keep_up(screen, folder, cloud)
        except RejectedError:
            _show_results(screen, summary, folder)
            raise
        finally:
            (folder / CURL_FILE).unlink(missing_ok=True)


def _arguments(wanted: LocalRun, declared: Mapping[str, Parameter]) -> dict[str, Any]:
    """Return the typed arguments, checked before anything is started."""
    arguments = parse_values(wanted.params, declared)
    check_sizes(arguments)
    if wanted.data and "input_data" not in declared:
        raise PipelineError("--data is set, but the pipeline has no parameter input_data: omit --data")
    if wanted.data and "input_data" in arguments:
        raise PipelineError("--data and --param input_data both set the images: use one of them")
    given_later = dict.fromkeys((*OF_CLOUD, "input_data") if wanted.data else OF_CLOUD)
    check_complete(arguments | given_later, declared)
    return arguments


def _run_steps(
    compiled: Path,
    arguments: Mapping[str, Any],
    cloud: Cloud,
    settings: StepSettings,
    keep: bool,
    summary: Summary,
    screen: Screen,
) -> None:
    """Run the pipeline, then check the endpoint if there is one."""
    folder, results = summary.events.path.parent, summary.events.results
    with ExitStack() as stack:
        checker = cache(lambda: stack.enter_context(live_check_process(cloud)))

        def on_change(step: StepRecord) -> None:
            screen.show_step(step)
            if _can_be_asked(results):
                checker()  # starts while the last steps run

        supervise(compiled, arguments, summary.events, cloud.environment, on_change, settings, cloud.check)
        if results.get("accepted") is False:
            raise RejectedError(
                f"{results['verdict']}; the model is neither registered nor deployed: "
                "train for more epochs, add images, or lower the minimum or min_improvement"
            )
        if _can_be_asked(results):
            summary.live_check = check_endpoint(checker(), cloud, results, arguments, folder, keep)


def _can_be_asked(results: Mapping[str, Any]) -> bool:
    # The sample is for an entry script; Azure ML serves other models by itself.
    return results.keys() >= {"endpoint", "sample"} and results["endpoint"].get("takes_sample", True)


def _compile(source: Path, folder: Path) -> Path:
    compiled = folder / "pipeline.yaml"
    compile_pipeline(source, compiled, PipelineOptions())
    return compiled


def _containers(folder: Path, cloud: Cloud, arguments: Mapping[str, Any], events: EventLog) -> ContainerSettings:
    inputs = [Path(arguments.get(name, "")) for name in ("input_data", "initial_weights")]
    return container_settings(folder, cloud.network, [path for path in inputs if path.is_absolute()], events.path)


def _input_data(
    wanted: LocalRun,
    arguments: Mapping[str, Any],
    declared: Mapping[str, Parameter],
    folder: Path,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Return the arguments for the images, if the pipeline has the parameter input_data."""
    if "input_data" not in declared:
        return {}
    uri = wanted.data or arguments.get("input_data") or declared["input_data"].default
    if uri == ADDRESS:
        named = {"class_names": list(CLASSES)} if "class_names" in declared.keys() - arguments.keys() else {}
        return {"input_data": str(fashion_mnist(say)), **named}
    if uri and is_azureml_name(uri) and not wanted.azure:
        raise PipelineError(f"{uri}: Azure ML data references need your own workspace: add --azure")
    if not uri or wanted.azure:
        return {"input_data": uri} if uri else {}
    with_azure = bool(arguments.get("use_azure_credentials"))
    return {"input_data": str(on_this_machine(uri, folder / "data", with_azure, say))}


def _show_results(screen: Screen, summary: Summary, folder: Path) -> None:
    results = summary.events.results
    if "accuracy" in results:
        screen.say(f"Accuracy {results['accuracy']:.4f} on the test set, loss {results['loss']:.4f}")
    if model := results.get("model"):
        screen.say(f"Model    {model['name']}, version {model['version']}")
    if endpoint := results.get("endpoint"):
        screen.say(f"Endpoint {endpoint['scoring_uri']}, deployment {endpoint['deployment']}")
    if check := summary.live_check:
        screen.say(f"Live     {check.agreed} of {check.requests} predictions match the score step")
    for page in _name_pages(results, folder):
        screen.say(f"Page     {page}")
    screen.say(f"Files    {folder} (summary.json, log.txt, outputs/)")


def _name_pages(results: Mapping[str, Any], folder: Path) -> list[Path]:
    """Copy the steps' HTML pages to files with the suffix that browsers need."""
    pages = []
    for name in ("data", "training", "score"):
        if page := results.get(f"{name}_page"):
            pages.append(folder / f"{name}.html")
            shutil.copyfile(page, pages[-1])
    return pages


def _keep_up(screen: Screen, folder: Path, cloud: Cloud) -> None:
    request = next(path for name in REQUEST_FILES if (path := folder / name).exists())
    command = ("curl", "--config", str(folder / CURL_FILE), "--data-binary", f"@{request}")
    screen.say("The endpoint runs until Ctrl-C. To send an image of the test set, run in another terminal:")
    screen.say(f"  {shlex.join(command)}")
    try:
        cloud.wait()
    except CancelledError:
        screen.say("The endpoint has ended.")


def _new_run_folder(runs: Path) -> Path:
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    runs = runs.resolve()
    folder = runs / name
    try:
        runs.mkdir(parents=True, exist_ok=True)
        check_permissions(runs)
        folder.mkdir()
    except OSError as error:
        raise OutputError(f"cannot create a folder in {runs}: {error}") from error
    return folder


def _point_latest_to(folder: Path) -> None:
    # Replacing `latest` is atomic, so that concurrent runs do not collide.
    link = folder.with_name(f".latest-{folder.name}")
    link.symlink_to(folder.name)
    link.replace(folder.with_name("latest"))
