"""Write a run's `summary.json`."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from platform import python_version

from kfp_azureml.local.event_log import EventLog
from kfp_azureml.local.live_check import LiveCheck
from kfp_azureml.runtime.outputs import atomic_file

PACKAGES = ("kfp-azureml", "kfp", "azure-ai-ml", "tensorflow-cpu", "keras", "onnxruntime", "pyarrow")


@dataclass
class Summary:
    """The outcome of a run, updated while it runs.

    Attributes:
        started: `time.monotonic()` at its start.
        events: The steps and their results.
        state: succeeded, rejected, failed or cancelled.
        error: The error in one line.
        live_check: Comparison of the endpoint with the score step.
    """

    started: float
    events: EventLog
    state: str = "failed"
    error: str = ""
    live_check: LiveCheck | None = None

    @cached_property
    def seconds(self) -> float:
        """Wall time of the run, fixed when it is first read, so without the time that the endpoint is kept."""
        return time.monotonic() - self.started


def write_summary(path: Path, summary: Summary) -> None:
    """Write `summary.json`.

    Args:
        path: The file to create or replace.
        summary: The outcome of the run.
    """
    results = summary.events.results
    document = {
        "state": summary.state,
        "error": summary.error,
        "accuracy": results.get("accuracy"),
        "loss": results.get("loss"),
        "model": results.get("model"),
        "endpoint": results.get("endpoint"),
        "live_check": asdict(summary.live_check) if summary.live_check else None,
        "steps": [
            {
                "name": step.name,
                "state": step.state,
                "seconds": step.seconds,
                "user_cpu_seconds": step.user_cpu_seconds,
                "peak_rss_bytes": step.peak_rss_bytes,
            }
            for step in summary.events.steps
        ],
        "total_seconds": round(summary.seconds, 3),
        "versions": {"python": python_version(), **_package_versions()},
    }
    with atomic_file(path) as part:
        part.write_text(json.dumps(document, indent=2) + "\n")


def _package_versions() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions
