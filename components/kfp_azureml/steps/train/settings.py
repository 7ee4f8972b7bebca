"""The settings of train, and the recipe they select."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from kfp_azureml.imagesets.source import without_secrets
from kfp_azureml.runtime.errors import TrainingError
from kfp_azureml.steps.train.architectures import ARCHITECTURES, EPOCH_BATCHES, SMALL_BATCH, Architecture
from kfp_azureml.steps.train.augmentation import KINDS
from kfp_azureml.steps.train.own_network import is_reference, own_architecture

NO_AUGMENTATION = "none"
BALANCED = "balanced"
CLASS_WEIGHTS = ("none", BALANCED)
FOLDER, MLFLOW = "folder", "mlflow"
WEIGHTS_SCHEMES = ("file", "https", "http", "abfss", "abfs", "az", "wasbs", "s3", "s3a")
MODEL_FORMATS = (FOLDER, MLFLOW, "both")


@dataclass(frozen=True)
class TrainingSettings:
    """The component's settings for training, validated; see there for the fields.

    Raises:
        TrainingError: If a setting is out of range.
    """

    epochs: int
    architecture: str
    batch_size: int
    learning_rate: float
    validation_fraction: float
    seed: int
    initial_weights: str
    initial_weights_sha256: str
    frozen_epochs: int
    augment: Sequence[str]
    class_weights: str
    patience: int
    model_format: str
    use_azure_credentials: bool
    checkpoint: str
    checkpoint_steps: int

    def __post_init__(self) -> None:
        """Validate."""
        if self.architecture not in ARCHITECTURES and not is_reference(self.architecture):
            raise TrainingError(
                f"architecture is {self.architecture!r}; must be {', '.join(ARCHITECTURES)}, or package.module:function"
            )
        if self.epochs < 1:
            raise TrainingError(f"epochs is {self.epochs}; must be 1 or more")
        if self.batch_size < 0:
            raise TrainingError(f"batch_size is {self.batch_size}; must be 1 or more, or 0 for the default")
        if not 0 <= self.learning_rate < float("inf"):
            raise TrainingError(f"learning_rate is {self.learning_rate}; must be positive, or 0 for the default")
        if not 0 <= self.validation_fraction < 1:
            raise TrainingError(f"validation_fraction is {self.validation_fraction}; must be 0 or more and less than 1")
        if not 0 <= self.seed < 2**32:
            raise TrainingError(f"seed is {self.seed}; must be 0 to 2^32 - 1")
        self._check_initial_weights()
        for kind in self.augment:
            if kind not in KINDS and list(self.augment) != [NO_AUGMENTATION]:
                raise TrainingError(
                    f"augment has {kind!r}; must be a list of {', '.join(KINDS)}, or [{NO_AUGMENTATION!r}]"
                )
        for name, known in (("class_weights", CLASS_WEIGHTS), ("model_format", MODEL_FORMATS)):
            value = getattr(self, name)
            if value not in known:
                raise TrainingError(f"{name} is {value!r}; must be {', '.join(known[:-1])} or {known[-1]}")
        if self.patience < 0:
            raise TrainingError(f"patience is {self.patience}; must be 1 or more, or 0 to train all epochs")
        if self.patience and not self.validation_fraction:
            raise TrainingError("patience needs validation images: set validation_fraction, or patience=0")
        if self.checkpoint_steps < 0:
            raise TrainingError(f"checkpoint_steps is {self.checkpoint_steps}; must be 1 or more, or 0 for each epoch")
        if self.checkpoint_steps and not self.checkpoint:
            raise TrainingError("checkpoint_steps is set without checkpoint")

    def _check_initial_weights(self) -> None:
        known = ARCHITECTURES.get(self.architecture)
        if self.initial_weights and known and not known.has_base:
            raise TrainingError(f"initial_weights is set, but architecture {self.architecture} takes none; omit it")
        scheme, found, _ = self.initial_weights.partition("://")
        if (found and scheme.lower() not in WEIGHTS_SCHEMES) or self.initial_weights.startswith("azureml:"):
            raise TrainingError(
                f"initial_weights is {self.initial_weights_name}; must be a path, or a URI with one of the schemes "
                f"{', '.join(WEIGHTS_SCHEMES)}"
            )
        if not 0 <= self.frozen_epochs <= self.epochs:
            raise TrainingError(f"frozen_epochs is {self.frozen_epochs}; must be 0 to epochs, which is {self.epochs}")
        for name in ("frozen_epochs", "initial_weights_sha256"):
            if getattr(self, name) and not self.initial_weights:
                raise TrainingError(f"{name} is set without initial_weights")
        if not re.fullmatch("([0-9a-fA-F]{64})?", self.initial_weights_sha256):
            raise TrainingError(f"initial_weights_sha256 is {self.initial_weights_sha256!r}; must be 64 hex digits")

    @property
    def min_size(self) -> int:
        """Minimum image height and width in pixels; 1 for a network of the user's own."""
        known = ARCHITECTURES.get(self.architecture)
        return known.min_size if known else 1

    def recipe(self, training_images: int) -> Architecture:
        """Return the architecture, with its defaults replaced by what is set.

        Args:
            training_images: Number of training images, which bounds the default batch size.

        Raises:
            TrainingError: If it is the user's own and cannot be imported.
        """
        recipe = ARCHITECTURES.get(self.architecture) or own_architecture(self.architecture)
        default_batch = min(recipe.batch_size, max(SMALL_BATCH, training_images // EPOCH_BATCHES))
        return replace(
            recipe,
            batch_size=self.batch_size or default_batch,
            learning_rate=self.learning_rate or recipe.learning_rate,
            augment=tuple(kind for kind in self.augment or recipe.augment if kind != NO_AUGMENTATION),
        )

    def logged(self, recipe: Architecture) -> dict[str, object]:
        """Return the parameters for MLflow, with the recipe's in place of 0 and without the secrets of URIs."""
        used = {name: getattr(recipe, name) for name in ("batch_size", "learning_rate", "augment")}
        addresses = {name: _shown(getattr(self, name)) for name in ("initial_weights", "checkpoint")}
        return asdict(self) | used | addresses

    def decisive(self, recipe: Architecture) -> dict[str, object]:
        """Return the parameters that the weights depend on, with the recipe's in place of 0."""
        others = ("checkpoint", "checkpoint_steps", "model_format", "use_azure_credentials")
        return {name: value for name, value in self.logged(recipe).items() if name not in others}

    @property
    def initial_weights_name(self) -> str:
        """`initial_weights` for messages, without query and user."""
        return _shown(self.initial_weights)


def _shown(address: str) -> str:
    return without_secrets(address) if "://" in address else address
