"""Delete the record of a run that has ended from Databricks."""
