"""MLflow tracking: experiments, runs, artifacts and the model registry."""
