"""Fixtures of the tests that train with several workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from azure_day import azure  # noqa: F401 - a fixture, which pytest finds here
from fashion_slice import write_fashion_slice

TRAIN_ONLY = Path(__file__).with_name("train_only.py")


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fashion_slice(tmp_path_factory.mktemp("slice"))


@pytest.fixture(scope="session")
def train_only() -> Path:
    """Return the file of a pipeline that only prepares images and trains."""
    return TRAIN_ONLY
