"""Run a step in a forked process and kill it after its n-th response; the SDK is imported once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from typing import Any

import httpx
import pytest
import requests

SECONDS = 120.0


def server() -> ForkServerContext:
    """Return a fork server that has imported what the processes need."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        [
            *("azure.ai.ml", "azure.ai.ml.entities", "azure.identity", "azure.storage.blob", "databricks.sdk"),
            *(
                "kfp_azureml.azureml.rollout.go_live",
                "kfp_azureml.steps.aml_register_model.register",
                "scenarios",
                "killing",
            ),
        ]
    )
    return context


def run_and_kill(
    context: ForkServerContext,
    scenario: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    after_answers: int,
) -> bool:
    """Run a step and kill it after a number of responses.

    Args:
        context: The result of `server`.
        scenario: The step's scenario.
        arguments: The step's arguments.
        environment: Environment variables in addition to this process's.
        after_answers: Number of HTTP responses, of any client, after which it is killed.

    Returns:
        Whether it was killed; False if it ended before.
    """
    process = start_step(context, scenario, arguments, environment, after_answers)
    process.join(SECONDS)
    if process.is_alive():
        process.kill()
        process.join()
        pytest.fail(f"the step neither ended nor had {after_answers} answers within {SECONDS:g} s")
    return process.exitcode == -signal.SIGKILL


def start_step(
    context: ForkServerContext,
    scenario: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    after_answers: int | None = None,
) -> BaseProcess:
    """Run a step in a forked process; see `run_and_kill`."""
    process = context.Process(
        target=_step, args=(scenario, list(arguments), dict(environment), after_answers), daemon=True
    )
    process.start()
    return process


def _step(scenario: str, arguments: list[str], environment: dict[str, str], after_answers: int | None) -> None:
    from running import run, shorten_waits
    from scenarios import SCENARIOS

    os.environ.update(environment)
    answers = 0

    def counted(send: Callable[..., Any]) -> Callable[..., Any]:
        def count(*args: Any, **kwargs: Any) -> Any:
            nonlocal answers
            answer = send(*args, **kwargs)
            answers += 1
            if after_answers and answers >= after_answers:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        return count

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests.adapters.HTTPAdapter, "send", counted(requests.adapters.HTTPAdapter.send))
        patch.setattr(httpx.HTTPTransport, "handle_request", counted(httpx.HTTPTransport.handle_request))
        shorten_waits(patch)
        outcome = run(SCENARIOS[scenario].command, arguments)
    sys.stderr.write(outcome.printed)
    sys.exit(outcome.exit_code)
