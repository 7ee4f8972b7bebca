"""`kfp-azureml doctor`: check this machine, Azure and Kubeflow, and say what mends each fault."""
