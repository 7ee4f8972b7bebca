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


def image_build_failure(reason: str, log: Path | None = None, notes: Sequence[str] = ()) -> ImageBuildError:
    """Build the error of an environment that cannot be built.

    Args:
        reason: Why.
        log: The installer's output, if it ran; the message has its end.
        notes: The first lines of the build log.
    """
    head = "".join(f"{note}\n" for note in notes)
    if log is None:
        return ImageBuildError(reason, reason, f"{head}{reason}\n")
    tail = processes.log_tail(log, LOG_TAIL_LINES)
    output = log.read_text(errors="replace")
    return ImageBuildError(reason, f"{reason} End of the log:\n{tail}", f"{head}{output}")
