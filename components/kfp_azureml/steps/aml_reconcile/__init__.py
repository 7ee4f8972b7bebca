"""Undo what a dead run left unfinished in Azure Machine Learning."""
