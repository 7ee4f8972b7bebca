"""The error of an environment that cannot be built."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from azureml_emulator.arm.errors import ArmError
from azureml_emulator.machine import processes

IMAGE_BUILD_FAILURE = "ImageBuildFailure"
LOG_TAIL_LINES = 30


class ImageBuildError(ArmError):
    """An environment that cannot be built.

    Attributes:
        reason: Why, in one line.
        log: The installer's output; the reason, if it did not run.
    """

    def __init__(self, reason: str, message: str, log: str) -> None:
        super().__init__(400, IMAGE_BUILD_FAILURE, message)
        self.reason = reason
        self.log = log


def image_build_failure(
    reason: str, log: Path | None = None, notes: Sequence[str] = (), *, shows_log: bool = True
) -> ImageBuildError:
    """Build the error of an environment that cannot be built.

    Args:
        reason: Why.
        log: The installer's output, if it ran.
        notes: The first lines of the build log.
        shows_log: Whether the message has the end of the installer's output.
    """
    head = "".join(f"{note}\n" for note in notes)
    if log is None:
        return ImageBuildError(reason, reason, f"{head}{reason}\n")
    message = f"{reason} End of the log:\n{processes.log_tail(log, LOG_TAIL_LINES)}" if shows_log else reason
    return ImageBuildError(reason, message, f"{head}{log.read_text(errors='replace')}")
