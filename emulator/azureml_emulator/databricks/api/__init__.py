"""Databricks' REST API: one module per kind of resource, with its routes."""
