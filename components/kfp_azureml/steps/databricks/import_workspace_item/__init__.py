"""Import a notebook into a Databricks workspace."""
