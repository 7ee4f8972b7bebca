"""How many resources a page has."""

PAGE_SIZES = {"models": 20, "components": 50, "data": 50, "environments": 100}
"""Told with the recordings, which cut lists, see `error_form.py`."""
