"""Databricks: jobs and runs, clusters, secrets, workspace items, files."""
