"""Register a model folder in Azure Machine Learning."""
