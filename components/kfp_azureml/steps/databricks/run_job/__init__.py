"""Run an existing job on Databricks."""
