"""Delete a secret scope with all its secrets from Databricks."""
