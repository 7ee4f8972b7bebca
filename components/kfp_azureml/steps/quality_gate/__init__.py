"""Decide whether a scored model is good enough to be registered."""
