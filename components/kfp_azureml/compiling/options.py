"""What can be chosen when a pipeline is compiled, as opposed to when it is run."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kfp_azureml import images
from kfp_azureml.errors import PipelineError

# As https://github.com/distribution/reference defines them: a host with a port perhaps, then lower-case path parts.
_REGISTRY = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9.-]*(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}")


@dataclass(frozen=True)
class PipelineOptions:
    """The one argument of a pipeline module's `build_pipeline`.

    Attributes:
        registry: Where the images are, such as `myregistry.azurecr.io/kfp-azureml`.
        tag: The images' tag.
    """

    registry: str = images.REGISTRY
    tag: str = images.TAG

    def __post_init__(self) -> None:
        """Check the names.

        Raises:
            PipelineError: If they make no image names.
        """
        if not _REGISTRY.fullmatch(self.registry):
            raise PipelineError(
                f"registry {self.registry!r}: expected HOST[:PORT][/PATH], such as example.azurecr.io/team"
            )
        if not _TAG.fullmatch(self.tag):
            raise PipelineError(f"tag {self.tag!r}: expected letters, digits, '.', '_' and '-', such as 0.1.0")

    @property
    def ml_image(self) -> str:
        """The `ml` image."""
        return images.ml_image(self.registry, self.tag)

    @property
    def azure_image(self) -> str:
        """The `azure` image."""
        return images.azure_image(self.registry, self.tag)
