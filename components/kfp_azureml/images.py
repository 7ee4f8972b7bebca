"""The container images' constant names: `ml` runs prep, train and score, `azure` runs the aml_* components.

Nothing here reads the environment; `make compile-pipeline REGISTRY=.. TAG=..` sets others in the compiled pipeline.
"""

REGISTRY = "kfp-azureml"
TAG = "0.1.0"

ML_IMAGE = f"{REGISTRY}/ml:{TAG}"
AZURE_IMAGE = f"{REGISTRY}/azure:{TAG}"
