"""Single calls of azure-ai-ml, timed in a process that has already imported it."""

from __future__ import annotations

from pathlib import Path

from azureml_emulator import EmulatorInfo
from bench.context import OURS, REPOSITORY
from bench.usage import measure


def azureml_client_seconds(emulator: EmulatorInfo, *arguments: str | Path) -> tuple[float, ...]:
    """Return the numbers that `azureml_client.py` prints.

    Args:
        emulator: The Azure ML emulator.
        arguments: The verb and its folder.
    """
    program = REPOSITORY / "bench" / "azureml_client.py"
    used = measure(
        [OURS, program, emulator.resource_group, emulator.workspace, *arguments], environment=emulator.environment
    )
    return tuple(map(float, used.output.splitlines()[-1].split()))
