"""The live model: the marker of its absence, and its comparison with a new one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kfp_azureml.models import model_json
from kfp_azureml.models.model_json import member
from kfp_azureml.runtime.errors import ModelError
from kfp_azureml.runtime.text_files import read_user_json

ABSENT_FILE = "no-live-model.json"
"""Only file of the folder that stands for a live model that there is not."""

# In place of a model version's id, from aml_preflight to aml_live_model.
NONE_LIVE = "none"
NOT_WANTED = "off"


@dataclass(frozen=True)
class LiveComparison:
    """The live model on the images that a new model was scored on.

    Attributes:
        model: The live model, `name:version`; empty if unknown.
        metrics: Its accuracy, macro_f1, worst_recall and loss; empty if it could not be compared.
        only_new_right: Number of images that only the new model classifies correctly.
        only_live_right: Number of images that only the live model classifies correctly.
        p_value: Of McNemar's exact test, two-sided: probability of a difference of at least this size between models
            that are equally good; 1 if they could not be compared.
        not_compared: Why it could not be compared; empty if it was.
    """

    model: str
    metrics: dict[str, float]
    only_new_right: int = 0
    only_live_right: int = 0
    p_value: float = 1.0
    not_compared: str = ""


def write_absence(folder: Path, reason: str) -> None:
    """Mark a folder as without a live model.

    Args:
        folder: An existing, empty folder.
        reason: Why there is none to compare with; empty if nobody asked for a comparison.
    """
    (folder / ABSENT_FILE).write_text(json.dumps({"reason": reason}) + "\n")


def read_absence(folder: Path) -> str | None:
    """Return why a folder has no live model; None if it is not marked so.

    Raises:
        ModelError: If the marker cannot be read.
    """
    path = folder / ABSENT_FILE
    if not path.exists():
        return None
    raw = read_user_json(path, ModelError, expected="a folder written by aml_live_model")
    reason = raw.get("reason") if isinstance(raw, dict) else None
    if not isinstance(reason, str):
        raise ModelError(f"{path}: expected an object with 'reason'")
    return reason


def comparison_from(raw: Mapping[str, Any]) -> LiveComparison:
    """Read the comparison from `check.json`.

    Raises:
        ValueError: If it is invalid; the message follows the file's name.
    """
    return LiveComparison(
        model=_text(raw, "model"),
        metrics=model_json.numbers(member(raw, "metrics"), "'metrics' of 'live'"),
        only_new_right=int(model_json.number(member(raw, "only_new_right"), "'only_new_right'")),
        only_live_right=int(model_json.number(member(raw, "only_live_right"), "'only_live_right'")),
        p_value=model_json.number(member(raw, "p_value"), "'p_value'", maximum=1),
        not_compared=_text(raw, "not_compared"),
    )


def _text(raw: Mapping[str, Any], key: str) -> str:
    value = member(raw, key)
    return model_json.string(value, repr(key)) if value != "" else ""
