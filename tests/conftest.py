"""Fixtures and hooks of all tests."""

from __future__ import annotations

from collections.abc import Iterator

# All of it, before `kfp-azureml step` loads kfp's run time alone into this process.
import kfp.dsl  # noqa: F401
import pytest

from azureml_emulator import EmulatorInfo, running_emulator

# Hooks that pytest finds here.
from collecting import pytest_collection  # noqa: F401
from time_limits import (  # noqa: F401
    pytest_addoption,
    pytest_collection_modifyitems,
    pytest_runtest_call,
    pytest_runtest_setup,
    pytest_runtest_teardown,
    pytest_xdist_make_scheduler,
)


@pytest.fixture(scope="session")
def emulator() -> Iterator[EmulatorInfo]:
    """Yield one Azure ML emulator per session; pass `emulator.environment` to client processes."""
    # The SDK polls every 5 or 30 s unless the service names a pace.
    with running_emulator(arguments=["--retry-after", "1"]) as info:
        yield info
