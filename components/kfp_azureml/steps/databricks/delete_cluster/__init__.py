"""Terminate a cluster on Databricks."""
