"""Turn termination signals into one exception."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from kfp_azureml.runtime.errors import CancelledError

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
