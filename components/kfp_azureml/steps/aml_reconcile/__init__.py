"""Clean up unfinished rollouts in Azure Machine Learning."""
