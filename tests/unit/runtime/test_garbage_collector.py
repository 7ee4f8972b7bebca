"""Garbage collector tuning in processes that end soon."""

import gc
from collections.abc import Iterator

import pytest

from kfp_azureml.runtime.garbage_collector import relaxed_gc


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    """Undo what the block does at its end."""
    yield
    gc.unfreeze()


def test_garbage_is_looked_for_less_often_and_as_before_after_the_block() -> None:
    before = gc.get_threshold()
    with relaxed_gc():
        assert gc.isenabled()
        assert gc.get_threshold()[0] > 10 * before[0]
    assert gc.get_threshold() == before


def test_what_is_there_at_the_end_is_left_alone_whatever_happens() -> None:
    gc.unfreeze()
    with pytest.raises(ZeroDivisionError), relaxed_gc():
        _ = 1 / 0
    assert gc.get_freeze_count() > 1000
