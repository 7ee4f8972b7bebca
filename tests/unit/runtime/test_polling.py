"""Pauses between polls grow to a limit."""

from itertools import islice

from kfp_azureml.runtime.polling import FIRST_SECONDS, LONGEST_SECONDS, pauses


def test_pauses_begin_short_and_grow_to_the_longest() -> None:
    seconds = list(islice(pauses(), 10))
    assert seconds == sorted(seconds)
    assert (seconds[0], seconds[-1]) == (FIRST_SECONDS, LONGEST_SECONDS)
