"""Turn termination signals into one exception, and end what a stopped step has started elsewhere."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from kfp_azureml.runtime.errors import CancelledError, KfpAzuremlError

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def cancellable() -> Iterator[None]:
    """Raise `CancelledError` on the first SIGINT, SIGTERM or SIGHUP.

    Later signals are ignored, so that they do not interrupt the clean-up. Use it in the main thread only.
    """
    previous = {number: signal.getsignal(number) for number in _SIGNALS}

    def cancel(number: int, _frame: FrameType | None) -> None:
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        name = signal.Signals(number).name
        raise CancelledError(f"cancelled by {name}", interactive=number == signal.SIGINT)

    for number in _SIGNALS:
        signal.signal(number, cancel)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def ended_on_exit(end: Callable[[], str], late: type[KfpAzuremlError]) -> Iterator[None]:
    """End work elsewhere if the step is stopped, or a limit passes, in the block.

    Args:
        end: Ends the work, and returns what became of it, in words.
        late: What is raised when a limit passes.

    Raises:
        CancelledError: As raised in the block, with what became of the work.
        KfpAzuremlError: `late`, likewise.
    """
    try:
        yield
    except CancelledError as stopped:
        raise CancelledError(f"{stopped}: {end()}", interactive=stopped.interactive) from None
    except late as passed:
        raise late(f"{passed}: {end()}") from None
