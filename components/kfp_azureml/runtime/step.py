"""Run a step with logging, progress events and one-line errors.

Under `kfp-azureml run`, `KFP_AZUREML_EVENTS` names a file to which each step appends events as JSON lines. The
supervisor reads states and results from it. Elsewhere steps only log.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from kfp_azureml.runtime.cancellation import cancellable
from kfp_azureml.runtime.cpus import one_blas_thread
from kfp_azureml.runtime.errors import CancelledError, KfpAzuremlError
from kfp_azureml.runtime.garbage_collector import relaxed_gc
from kfp_azureml.runtime.redaction import RedactingFilter, print_exception, redact
from kfp_azureml.runtime.terminal import one_line

EVENTS_FILE = "KFP_AZUREML_EVENTS"
"""Environment variable with the path of the supervisor's event file."""

WORKER = "KFP_AZUREML_WORKER"
"""Environment variable with the number of a step's process, if it is one of several and not the first."""

LOG_LEVEL = "KFP_AZUREML_LOG_LEVEL"
"""Environment variable with the log level; DEBUG applies to all libraries, secrets redacted."""

logger = logging.getLogger(__name__)
_current_step: ContextVar[str] = ContextVar("current_step")


@contextmanager
def run_step(name: str) -> Iterator[None]:
    """Run a step's work: configure logging, emit events, and turn errors into exit codes.

    Signals unwind the stack like an exception, so that no partial output is left.

    Args:
        name: The component's name, such as `train`.

    Raises:
        SystemExit: For a `KfpAzuremlError`, after printing it as one line, or when the step is cancelled.
    """
    configure_logging()
    one_blas_thread()
    if worker := os.environ.get(WORKER):
        name = f"{name} (worker {worker})"
    token = _current_step.set(name)
    _emit("started")
    try:
        with cancellable(), relaxed_gc():
            yield
    except CancelledError as cancelled:
        message = one_line(redact(f"{name}: {cancelled}"))
        _emit("cancelled", error=message, **_usage())
        print(message, file=sys.stderr)  # noqa: T201
        raise SystemExit(cancelled.exit_code) from None
    except KfpAzuremlError as error:
        message = one_line(redact(f"{name}: {error}"))
        _emit("failed", error=message, **_usage())
        print(message, file=sys.stderr)  # noqa: T201
        raise SystemExit(error.exit_code) from None
    except Exception as error:
        # A bug: keep the traceback in the log.
        _emit("failed", error=redact(f"{name}: {type(error).__name__}: {error}"), **_usage())
        raise
    else:
        _emit("succeeded", **_usage())
    finally:
        _current_step.reset(token)


def progress(message: str, fraction: float | None = None) -> None:
    """Log the current step's progress and emit it as an event.

    Args:
        message: One short line, such as `epoch 3/10, loss 0.31`.
        fraction: Completed fraction of the step, 0 to 1; None if unknown.
    """
    logger.info(message)
    _emit("progress", message=redact(message), fraction=fraction)


def throttle(seconds: float) -> Callable[[], bool]:
    """Return a function that is true at most once per interval, the first time after one has passed."""
    last = time.monotonic()

    def due() -> bool:
        nonlocal last
        now = time.monotonic()
        if now - last < seconds:
            return False
        last = now
        return True

    return due


def report(**results: object) -> None:
    """Add results of the current step to the run's summary.

    Args:
        results: JSON-serializable values by their name in `summary.json`, such as `accuracy`.
    """
    _emit("result", results=results)


def configure_logging() -> None:
    """Log at INFO, or at DEBUG if `KFP_AZUREML_LOG_LEVEL` says so, with secrets redacted.

    Logs go to stderr unless logging is already configured; kfp's executor logs to stdout.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    if _debugging():
        logging.getLogger().setLevel(logging.DEBUG)
    # On the handlers, so that the records of every logger are redacted, whatever its level.
    for handler in logging.getLogger().handlers:
        if not any(isinstance(one, RedactingFilter) for one in handler.filters):
            handler.addFilter(RedactingFilter())
    sys.excepthook = print_exception
    # The Azure SDK logs every request at INFO, urllib3 at DEBUG.
    for noisy in ("urllib3", "azure", "httpx", "msal", "fsspec"):
        quieten(noisy, logging.WARNING)
    # azure-ai-ml warns about each of its experimental classes, such as DataCollector: nothing a user can change.
    quieten("azure.ai.ml._utils._experimental", logging.ERROR)


def quieten(library: str, level: int) -> None:
    """Set a library's log level, unless `KFP_AZUREML_LOG_LEVEL` is DEBUG."""
    if not _debugging():
        logging.getLogger(library).setLevel(level)


def _debugging() -> bool:
    return os.environ.get(LOG_LEVEL, "").upper() == "DEBUG"


def _usage() -> dict[str, Any]:
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "user_cpu_seconds": round(own.ru_utime + children.ru_utime, 3),
        # ru_maxrss is in KiB on Linux and in bytes on macOS.
        "peak_rss_bytes": own.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
    }


def _emit(event: str, **details: object) -> None:
    path = os.environ.get(EVENTS_FILE)
    if not path:
        return
    step = _current_step.get("")
    line = json.dumps({"time": time.time(), "pid": os.getpid(), "step": step, "event": event, **details}) + "\n"
    # A single write with O_APPEND is atomic: lines of concurrent steps do not mix.
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)
