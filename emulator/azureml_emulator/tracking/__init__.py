"""MLflow as Azure ML serves it: tracking, artifacts and the model registry."""
