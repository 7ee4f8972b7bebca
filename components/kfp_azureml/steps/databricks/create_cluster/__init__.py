"""Create a cluster on Databricks."""
