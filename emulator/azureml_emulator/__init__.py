"""A local Azure Machine Learning for development and tests."""
