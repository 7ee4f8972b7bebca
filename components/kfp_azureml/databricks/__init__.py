"""The Databricks client: credentials, retries, errors, runs, and what the databricks_* steps create and delete."""
