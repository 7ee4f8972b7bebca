"""One run of a pipeline on this machine: data, Azure ML, the steps, the live check, the summary."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kfp_azureml.compiling.compile import compile_pipeline
from kfp_azureml.compiling.options import PipelineOptions
from kfp_azureml.compiling.sources import find_pipeline
from kfp_azureml.errors import CancelledError, KfpAzuremlError, RejectedError
from kfp_azureml.local.cloud import local_azure_ml, real_azure_ml
from kfp_azureml.local.events import EventLog
from kfp_azureml.local.fashion_mnist import fashion_mnist
from kfp_azureml.local.live_check import LiveCheck, check_endpoint
from kfp_azureml.local.parameters import declared_parameters, parse_values
from kfp_azureml.local.processes import cancellable
from kfp_azureml.local.screen import Screen
from kfp_azureml.local.summary import Summary, write_summary
from kfp_azureml.local.supervisor import supervise


@dataclass(frozen=True)
class LocalRun:
    """What a user asks of `kfp-azureml run`.

    Attributes:
        pipeline: A pipeline's name or file.
        data: The images, a folder or URI; None: Fashion-MNIST.
        params: Pipeline parameters by name, as typed.
        runs: Folder for the runs; each gets a folder of its own in it, and `latest` points to the last one.
        keep: Whether to keep the endpoint up until Ctrl-C.
        azure: Whether to use a real workspace instead of the local Azure ML.
    """

    pipeline: str
    data: str | None
    params: dict[str, str]
    runs: Path
    keep: bool
    azure: bool


def run_locally(wanted: LocalRun) -> None:
    """Run a pipeline on this machine and write `summary.json`, whatever comes of it.

    Raises:
        PipelineError: If a step failed, with the step's own error.
        RejectedError: If the model did not pass the quality gate.
        CancelledError: If the user stopped the run.
    """
    source = find_pipeline(wanted.pipeline)
    folder = _new_run_folder(wanted.runs)
    summary = Summary(started=time.monotonic(), events=EventLog(folder / "events.jsonl"))
    with cancellable(), Screen() as screen:
        screen.say(f"Run {folder.name}: {source.stem}, files in {folder}")
        try:
            _run(wanted, source, folder, summary, screen)
            summary.state = "succeeded"
        except RejectedError:
            summary.state = "rejected"
            raise
        except CancelledError:
            summary.state = "cancelled"
            raise
        except KfpAzuremlError as error:
            summary.state, summary.error = "failed", str(error)
            raise
        finally:
            write_summary(folder / "summary.json", summary)


def _run(wanted: LocalRun, source: Path, folder: Path, summary: Summary, screen: Screen) -> None:
    compiled = folder / "pipeline.yaml"
    if source.suffix == ".py":
        compile_pipeline(source, compiled, PipelineOptions())
    else:
        shutil.copyfile(source, compiled)
    declared = declared_parameters(compiled)
    arguments = parse_values(wanted.params, declared)
    if "input_data" in declared and "input_data" not in arguments:
        arguments["input_data"] = wanted.data or str(fashion_mnist(screen.say))

    with real_azure_ml() if wanted.azure else local_azure_ml(folder, screen.say) as cloud:
        for name, value in (("resource_group", cloud.resource_group), ("workspace", cloud.workspace)):
            if name in declared and value:
                arguments.setdefault(name, value)
        supervise(compiled, arguments, summary.events, cloud.environment, screen.show_step)
        results = summary.events.results
        keep = wanted.keep and cloud.is_local  # a real endpoint stays up by itself
        if results.get("accepted") is False:
            raise RejectedError(f"{results['verdict']}; the model is neither registered nor deployed")
        if "endpoint" in results:
            summary.live_check = check_endpoint(results, arguments, folder, cloud, keep)
            _tell(screen, results, summary.live_check, folder)
            if keep:
                _keep_up(screen, folder, results)


def _tell(screen: Screen, results: dict[str, Any], check: LiveCheck, folder: Path) -> None:
    model, endpoint = results["model"], results["endpoint"]
    screen.say(f"Accuracy {results['accuracy']:.4f} on the test set, loss {results['loss']:.4f}")
    screen.say(f"Model    {model['name']}, version {model['version']}")
    screen.say(f"Endpoint {endpoint['scoring_uri']}, deployment {endpoint['deployment']}")
    screen.say(f"Live     {check.agreed} of {check.requests} live answers equal the score step's")
    for page in _link_pages(results, folder):
        screen.say(f"Page     {page}")
    screen.say(f"Files    {folder} (summary.json, log.txt, outputs/)")


def _link_pages(results: dict[str, Any], folder: Path) -> list[Path]:
    """Give the steps' pages names that a browser knows what to do with."""
    links = []
    for name in ("training", "score"):
        if target := results.get(f"{name}_page"):
            links.append(folder / f"{name}.html")
            links[-1].symlink_to(os.path.relpath(target, folder))
    return links


def _keep_up(screen: Screen, folder: Path, results: dict[str, Any]) -> None:
    screen.say("The endpoint is up until Ctrl-C. Ask it, from another terminal:")
    screen.say(f"  curl --config {folder / 'endpoint.curl'} {results['endpoint']['scoring_uri']}")
    try:
        signal.pause()
    except CancelledError:
        screen.say("The endpoint is down.")
    finally:
        (folder / "endpoint.curl").unlink()


def _new_run_folder(runs: Path) -> Path:
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    folder = runs.resolve() / name
    folder.mkdir(parents=True)
    # A link is made beside `latest` and moved over it, so that two runs at once cannot collide.
    link = runs / f".latest-{name}"
    link.symlink_to(name)
    link.replace(runs / "latest")
    return folder
