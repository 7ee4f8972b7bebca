"""Compile options: settings of a pipeline that are fixed when it is compiled."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from kfp_azureml import images
from kfp_azureml.compiling.gpu import Gpu
from kfp_azureml.runtime.errors import PipelineError

# As in https://github.com/distribution/reference: a host with an optional port, then lower-case path parts.
_REGISTRY = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9.-]*(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_OBJECT = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")  # the name of a Kubernetes object
_MAX_RETRIES = 10
_MAX_SECONDS = 365 * 86400


@dataclass(frozen=True)
class PipelineOptions:
    """The argument of a pipeline module's `build_pipeline`.

    Attributes:
        registry: Image registry and path, such as `myregistry.azurecr.io/kfp-azureml`.
        tag: Image tag.
        ml_digest: Digest of the `ml` image, `sha256:...`, instead of the tag.
        azure_digest: Digest of the `azure` image, instead of the tag.
        ml_gpu_digest: Digest of the `ml-gpu` image, instead of the tag; requires `gpu`.
        pull_secret: Image pull secret; may be empty.
        gpu: GPUs for the train step; None selects CPUs.
        workload_identity: Whether the Azure steps use workload identity instead of the secret `azcreds`.
        retries: Number of retries of a step whose pod was lost, see `pods.for_kubeflow`; None selects 1.
        timeouts: Timeouts in seconds by step name, such as `train`, instead of the pipeline's own.
        ttl_seconds: Time to keep a finished run's pods, in seconds; None selects the cluster's default.
        train_workers: Number of workers that train together; on Kubeflow pods of their own.
    """

    registry: str = images.REGISTRY
    tag: str = images.TAG
    ml_digest: str = ""
    azure_digest: str = ""
    ml_gpu_digest: str = ""
    pull_secret: str = ""
    gpu: Gpu | None = None
    workload_identity: bool = False
    retries: int | None = None
    timeouts: Mapping[str, int] = field(default_factory=dict)
    ttl_seconds: int | None = None
    train_workers: int = 1

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            PipelineError: If one is invalid.
        """
        if not _REGISTRY.fullmatch(self.registry):
            raise PipelineError(
                f"registry {self.registry!r}: expected HOST[:PORT][/PATH], such as example.azurecr.io/team"
            )
        if not _TAG.fullmatch(self.tag):
            raise PipelineError(f"tag {self.tag!r}: expected letters, digits, '.', '_' and '-', such as 0.1.0")
        for digest in (self.ml_digest, self.azure_digest, self.ml_gpu_digest):
            if digest and not _DIGEST.fullmatch(digest):
                raise PipelineError(f"digest {digest!r}: expected sha256: and 64 hexadecimal digits")
        if self.ml_gpu_digest and not self.gpu:
            raise PipelineError("a digest of ml-gpu is set, but no GPUs: set --gpu")
        if self.pull_secret and not _OBJECT.fullmatch(self.pull_secret):
            raise PipelineError(f"pull secret {self.pull_secret!r}: expected the name of a Kubernetes secret")
        if self.retries is not None and not 0 <= self.retries <= _MAX_RETRIES:
            raise PipelineError(f"retries {self.retries}: expected 0 to {_MAX_RETRIES}")
        if self.train_workers < 1:
            raise PipelineError(f"train workers {self.train_workers}: expected 1 or more")
        for what, seconds in (
            *((f"timeout of {step}", seconds) for step, seconds in self.timeouts.items()),
            *([("TTL", self.ttl_seconds)] if self.ttl_seconds is not None else []),
        ):
            if not 0 < seconds <= _MAX_SECONDS:
                raise PipelineError(f"{what} {seconds}: expected seconds, 1 to {_MAX_SECONDS}")

    @property
    def sets_images(self) -> bool:
        """Whether registry, tag or a digest differs from the default."""
        digests = self.ml_digest or self.azure_digest or self.ml_gpu_digest
        return bool(digests) or (self.registry, self.tag) != (images.REGISTRY, images.TAG)

    @property
    def needs_builder(self) -> tuple[str, ...]:
        """Names of the set options that require `build_pipeline(options)`."""
        chosen = {
            "GPUs": self.gpu is not None,
            "workload identity": self.workload_identity,
            "retries": self.retries is not None,
            "step timeouts": bool(self.timeouts),
            "a TTL": self.ttl_seconds is not None,
            "train workers": self.train_workers > 1,
        }
        return tuple(what for what, is_chosen in chosen.items() if is_chosen)

    @property
    def ml_image(self) -> str:
        """The `ml` image."""
        return _pinned(images.ml_image(self.registry, self.tag), self.ml_digest)

    @property
    def azure_image(self) -> str:
        """The `azure` image."""
        return _pinned(images.azure_image(self.registry, self.tag), self.azure_digest)

    @property
    def ml_gpu_image(self) -> str:
        """The `ml-gpu` image."""
        return _pinned(images.ml_gpu_image(self.registry, self.tag), self.ml_gpu_digest)


def _pinned(tagged: str, digest: str) -> str:
    return f"{tagged.rpartition(':')[0]}@{digest}" if digest else tagged
