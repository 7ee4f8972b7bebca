"""Fetch the model version that an endpoint serves."""
