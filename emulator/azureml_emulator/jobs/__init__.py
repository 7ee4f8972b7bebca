"""Jobs: commands, pipelines and their runs."""
