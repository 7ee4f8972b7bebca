"""Write the JSON result of an aml_* step to its output artifact."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from kfp_azureml.runtime.outputs import atomic_file

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def write_result(result: DataclassInstance, path: str | Path) -> None:
    """Write a step's result as JSON.

    Args:
        result: Names, ids and links of the created resources.
        path: The file to create or replace.
    """
    with atomic_file(path) as part:
        part.write_text(json.dumps(asdict(result), indent=2) + "\n")
