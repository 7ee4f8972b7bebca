"""Checks of this machine, for local runs."""
