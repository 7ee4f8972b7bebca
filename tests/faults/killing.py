"""A step in a process of its own, killed right after its n-th answer; the SDK is imported once for all of them."""

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
    """Return where such processes come from: a server that imports what they need, and is forked for each."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        [
            *("azure.ai.ml", "azure.ai.ml.entities", "azure.identity", "azure.storage.blob"),
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
    """Run a step until it has had so many answers, and kill it then.

    Args:
        context: What `server` returned.
        scenario: The scenario that the step is of.
        arguments: Its arguments.
        environment: Its environment, beside what this process has.
        after_answers: When it dies: after this many HTTP answers, of whatever client.

    Returns:
        Whether it was killed; else it had come to its end before.
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
    """Start a step in a process of its own; see `run_and_kill`."""
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
