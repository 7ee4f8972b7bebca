"""ISO 8601 durations."""

from __future__ import annotations

import re

from azureml_emulator.control_plane.arm import bad_request
from azureml_emulator.store import Document


def duration_seconds(duration: object) -> float:
    """Convert an ISO 8601 duration of days to seconds, such as `PT1M30S`, to seconds.

    Raises:
        ArmError: 400, if it is not one.
    """
    number = r"(?:(\d+(?:\.\d+)?){})?"
    found = isinstance(duration, str) and re.fullmatch(
        f"P{number.format('D')}(?:T{number.format('H')}{number.format('M')}{number.format('S')})?", duration
    )
    if not found or duration in ("P", "PT"):
        raise bad_request(f"{duration!r} is not an ISO 8601 duration such as PT10S.")
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def probe_seconds(probe: Document) -> float:
    """Return how many seconds a readiness probe may fail before the service gives up.

    Args:
        probe: `initialDelay` and `period` as ISO 8601 durations, and `failureThreshold`.

    Raises:
        ArmError: 400, if one is invalid.
    """
    failures = probe["failureThreshold"]
    if not isinstance(failures, int):
        raise bad_request(f"'failureThreshold' must be a number, not {failures!r}.")
    return duration_seconds(probe["initialDelay"]) + duration_seconds(probe["period"]) * failures
