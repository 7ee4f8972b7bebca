"""Clean up what a pipeline run left on Databricks."""
