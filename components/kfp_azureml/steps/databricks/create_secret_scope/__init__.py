"""Create a secret scope on Databricks."""
