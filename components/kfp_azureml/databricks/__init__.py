"""The Databricks client and the work of the databricks_* steps."""
