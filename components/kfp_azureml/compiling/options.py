"""What can be chosen when a pipeline is compiled, as opposed to when it is run."""

from __future__ import annotations

from dataclasses import dataclass

from kfp_azureml import images


@dataclass(frozen=True)
class PipelineOptions:
    """The one argument of a pipeline module's `build_pipeline`.

    Attributes:
        registry: Where the images are, such as `myregistry.azurecr.io/kfp-azureml`.
        tag: The images' tag.
    """

    registry: str = images.REGISTRY
    tag: str = images.TAG

    @property
    def ml_image(self) -> str:
        """The `ml` image."""
        return images.ml_image(self.registry, self.tag)

    @property
    def azure_image(self) -> str:
        """The `azure` image."""
        return images.azure_image(self.registry, self.tag)
