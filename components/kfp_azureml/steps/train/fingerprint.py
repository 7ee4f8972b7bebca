"""What a training is made of, to tell whether a checkpoint is of the same one."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

    from kfp_azureml.imagesets.image_set import ImageSet
    from kfp_azureml.steps.train.architectures import Architecture
    from kfp_azureml.steps.train.settings import TrainingSettings


def fingerprint(
    settings: TrainingSettings, recipe: Architecture, model: keras.Model, images: ImageSet
) -> dict[str, object]:
    """Return what the weights depend on, by name: settings, network and data.

    Of the data it has all labels, and the pixels of the first group only: reading all takes long.
    """
    variables = ", ".join(f"{variable.name} {tuple(variable.shape)}" for variable in model.weights)
    labels, first = images.read_labels(), images.read_group(0)
    return {
        **settings.decisive(recipe),
        "network": _digest(variables.encode()),
        "images": images.info.count,
        "image_shape": images.info.shape,
        "classes": images.info.classes,
        "pixels and labels": _digest(str(images.group_sizes).encode(), labels.tobytes(), first.images.tobytes()),
    }


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:16]
