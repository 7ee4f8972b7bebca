"""Delete a file from a Databricks volume or workspace."""
