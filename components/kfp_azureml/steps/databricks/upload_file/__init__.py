"""Upload a file to Databricks."""
