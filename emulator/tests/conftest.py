"""Fixtures and hooks of all the emulator's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from azureml_emulator import EmulatorInfo, running_emulator

# Hooks of pytest, which finds them here.
from collecting import pytest_collection  # noqa: F401
from time_limits import (  # noqa: F401
    pytest_addoption,
    pytest_collection_modifyitems,
    pytest_runtest_call,
    pytest_runtest_setup,
    pytest_runtest_teardown,
    pytest_xdist_make_scheduler,
)

# A busy machine is no failure.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def emulator() -> Iterator[EmulatorInfo]:
    """One emulator for all tests of a session: give `emulator.environment` to client processes."""
    # The SDK polls every 5 or 30 s unless the service names a pace.
    with running_emulator(arguments=["--retry-after", "1"]) as info:
        yield info
