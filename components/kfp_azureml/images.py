"""Default images: `ml` for prep, train, score and quality_gate, `azure` for aml_* components.

They are constants; `make compile-pipeline REGISTRY=.. TAG=..` sets others in the compiled pipeline.
"""

from kfp_azureml import __version__

REGISTRY = "kfp-azureml"
TAG = __version__
RUN_AS_USER = 10001
"""UID and GID in the images; numbers, since Kubernetes cannot check whether a name is root."""


def ml_image(registry: str = REGISTRY, tag: str = TAG) -> str:
    """Return the name of the image that runs prep, train, score and the quality gate."""
    return f"{registry}/ml:{tag}"


def ml_gpu_image(registry: str = REGISTRY, tag: str = TAG) -> str:
    """Return the name of the image that runs train on a GPU."""
    return f"{registry}/ml-gpu:{tag}"


def azure_image(registry: str = REGISTRY, tag: str = TAG) -> str:
    """Return the name of the image that runs the aml_* components."""
    return f"{registry}/azure:{tag}"


ML_IMAGE = ml_image()
AZURE_IMAGE = azure_image()
