"""Delete a job from Databricks."""
