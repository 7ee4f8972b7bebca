"""What every step does around its work: logging, progress, events for the supervisor, errors in one line.

Under `kfp-azureml run` the environment names an event file; each step appends JSON lines to it, from which the
supervisor shows states and writes the run's summary. Elsewhere only the log is written.
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
from kfp_azureml.runtime.garbage_collector import little_garbage
from kfp_azureml.runtime.redaction import RedactingFilter, print_exception, redact
from kfp_azureml.runtime.terminal import one_line

EVENTS_FILE = "KFP_AZUREML_EVENTS"
"""Environment variable with the path of the supervisor's event file."""

LOG_LEVEL = "KFP_AZUREML_LOG_LEVEL"
"""Environment variable that may say DEBUG: then all libraries log all they do, still without secrets."""

logger = logging.getLogger(__name__)
_current_step: ContextVar[str] = ContextVar("current_step")


@contextmanager
def run_step(name: str) -> Iterator[None]:
    """Run a step's work: set up logging, tell the supervisor, end the process properly whatever happens.

    Signals unwind the stack like an exception, so that nothing is left half-written.

    Args:
        name: The component's name, such as `train`.

    Raises:
        SystemExit: With one line for a failure the user can mend, or with the exit code of a cancelled step.
    """
    configure_logging()
    one_blas_thread()
    token = _current_step.set(name)
    _emit("started")
    try:
        with cancellable(), little_garbage():
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
        # A fault of ours: the traceback belongs in the log.
        _emit("failed", error=redact(f"{name}: {type(error).__name__}: {error}"), **_usage())
        raise
    else:
        _emit("succeeded", **_usage())
    finally:
        _current_step.reset(token)


def progress(message: str, fraction: float | None = None) -> None:
    """Log how far the current step is, and show it on the run's live line.

    Args:
        message: One short line, such as `epoch 3/10, loss 0.31`.
        fraction: The share of the step that is done, 0 to 1, where it is known.
    """
    logger.info(message)
    _emit("progress", message=redact(message), fraction=fraction)


def every(seconds: float) -> Callable[[], bool]:
    """Return a function that is true at most once in so many seconds, not at first: for progress in a tight loop."""
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
    """Put results of the current step into the run's summary.

    Args:
        results: JSON-serializable values by the name they have in `summary.json`, such as `accuracy`.
    """
    _emit("result", results=results)


def configure_logging() -> None:
    """Log at INFO, or what the environment asks for; libraries that would print noise are kept quieter.

    Where nobody has set up logging yet it goes to stderr; kfp's executor has, and logs to stdout.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    if _debugging():
        logging.getLogger().setLevel(logging.DEBUG)
    # Whoever else sets a level lower than ours: no handler lets a secret through.
    for handler in logging.getLogger().handlers:
        if not any(isinstance(one, RedactingFilter) for one in handler.filters):
            handler.addFilter(RedactingFilter())
    sys.excepthook = print_exception
    # At INFO the Azure SDK prints every request, at DEBUG urllib3 too.
    for noisy in ("urllib3", "azure", "httpx", "msal", "fsspec"):
        quieten(noisy, logging.WARNING)


def quieten(library: str, level: int) -> None:
    """Log of a library what has at least this level, unless the environment asks for everything."""
    if not _debugging():
        logging.getLogger(library).setLevel(level)


def _debugging() -> bool:
    return os.environ.get(LOG_LEVEL, "").upper() == "DEBUG"


def _usage() -> dict[str, Any]:
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "user_cpu_seconds": round(own.ru_utime + children.ru_utime, 3),
        # Linux counts ru_maxrss in KiB, macOS in bytes.
        "peak_rss_bytes": own.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
    }


def _emit(event: str, **details: object) -> None:
    path = os.environ.get(EVENTS_FILE)
    if not path:
        return
    step = _current_step.get("")
    line = json.dumps({"time": time.time(), "pid": os.getpid(), "step": step, "event": event, **details}) + "\n"
    # One write of one line with O_APPEND: steps and supervisor never see half a line.
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)
