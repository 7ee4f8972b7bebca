"""Download a registered model from Azure Machine Learning."""
