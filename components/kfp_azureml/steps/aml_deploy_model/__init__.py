"""Deploy a registered model to an Azure Machine Learning online endpoint."""
