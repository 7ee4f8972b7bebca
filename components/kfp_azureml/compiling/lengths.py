"""How long the values of a step may be: kfp hands them to its process as one argument, which Linux limits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kfp_azureml.runtime.errors import PipelineError

ARGUMENT_BYTES = 128 * 1024 - 1
"""The longest argument or environment variable of a process: MAX_ARG_STRLEN in Linux's binfmts.h, less its end."""
_FOR_THE_REST = 4096  # bytes of that argument for names, and for the paths of a step's artifacts


def check_lengths(arguments: Mapping[str, Any]) -> None:
    """Check that the values of a pipeline's parameters fit into a step's argument.

    Args:
        arguments: The values by the parameter's name.

    Raises:
        PipelineError: If one does not.
    """
    for name, value in arguments.items():
        size = len(json.dumps(value))
        if size > ARGUMENT_BYTES - _FOR_THE_REST:
            raise PipelineError(
                f"parameter {name}: {size:,} bytes are too long for a step's command line (Linux takes "
                f"{ARGUMENT_BYTES - _FOR_THE_REST:,}): put the value into a file or a data asset and pass its address"
            )
