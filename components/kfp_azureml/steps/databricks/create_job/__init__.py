"""Create a job on Databricks."""
