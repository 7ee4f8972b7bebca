"""Stored measurements, a file each, so that an interrupted `make bench` resumes."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.measurement import Measurement
from kfp_azureml.runtime.cpus import usable_cores, usable_cpus
from kfp_azureml.runtime.outputs import atomic_file


@dataclass(frozen=True)
class Store:
    """A folder with a JSON file for each measurement."""

    folder: Path

    def find(self, measurement: Measurement) -> dict[str, Any] | None:
        """Return the stored document if machine and input files are unchanged, else None."""
        kept = self._read(measurement)
        return kept if kept and kept["inputs"] == measurement.input_hash() else None

    def find_older(self, measurement: Measurement) -> dict[str, Any] | None:
        """Return the stored document if the machine is unchanged and the input files are not, else None."""
        kept = self._read(measurement)
        return kept if kept and kept["inputs"] != measurement.input_hash() else None

    def _read(self, measurement: Measurement) -> dict[str, Any] | None:
        path = self.path(measurement)
        if not path.exists():
            return None
        kept: dict[str, Any] = json.loads(path.read_text())
        return kept if kept["machine"] == machine() else None

    def keep(self, measurement: Measurement, rows: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
        """Store a measurement's rows with its inputs' hash and the machine, and return the document."""
        kept = {
            "inputs": measurement.input_hash(),
            "machine": machine(),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(seconds, 1),
            "rows": rows,
        }
        with atomic_file(self.path(measurement)) as part:
            part.write_text(json.dumps(kept, indent=2) + "\n")
        return kept

    def path(self, measurement: Measurement) -> Path:
        """Return a measurement's file."""
        return self.folder / f"{measurement.name}.json"


def machine() -> str:
    """Describe this machine: processor, usable cores, memory, system, Python."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{_processor()}, {_cores()}, {memory:.0f} GiB, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}"
    )


def _cores() -> str:
    cpus, cores = usable_cpus(), usable_cores()
    named = f"{cores} core{'' if cores == 1 else 's'}"
    return named if cpus == cores else f"{cpus} hyperthreads of {named}"


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if not information.exists():
        return platform.processor()
    fields = dict(line.partition(":")[::2] for line in information.read_text().partition("\n\n")[0].splitlines())
    known = {name.strip(): value.strip() for name, value in fields.items()}
    family = f"family {known['cpu family']} model {known['model']}" if "cpu family" in known else platform.machine()
    return f"{known.get('model name', 'unknown processor')} ({family})"
