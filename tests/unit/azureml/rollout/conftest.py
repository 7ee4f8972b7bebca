"""For all tests of the roll-out: time that passes only when somebody waits, and a workspace in memory."""

import pytest

from azure_workspace import Workspace
from clock import Clock
from kfp_azureml.azureml import retries, waiting
from kfp_azureml.azureml.rollout import soak
from kfp_azureml.azureml.waiting import Deadline
from kfp_azureml.runtime import step


@pytest.fixture
def clock(monkeypatch):
    return Clock().pass_in(monkeypatch, waiting, retries, soak, step)


@pytest.fixture
def azure(clock):
    return Workspace(clock)


@pytest.fixture
def deadline(clock):
    return Deadline(3600, look_at="https://studio", started=clock.now)
