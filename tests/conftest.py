"""What tests of all rooms share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from azureml_emulator import EmulatorInfo, running_emulator

# Hooks of pytest, which finds them here.
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
    """One local Azure ML for all tests of a session: give `emulator.environment` to client processes."""
    with running_emulator() as info:
        yield info
