"""Submit a run to Databricks."""
