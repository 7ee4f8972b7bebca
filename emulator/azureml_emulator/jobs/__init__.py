"""Jobs that really run: commands as processes in their environments, pipelines of them, and their history."""
