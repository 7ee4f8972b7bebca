"""Delete a notebook, file or folder from a Databricks workspace."""
