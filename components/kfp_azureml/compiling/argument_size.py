"""Validate the size of parameter values: kfp passes them as one command-line argument."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kfp_azureml.runtime.errors import PipelineError

ARGUMENT_BYTES = 128 * 1024 - 1
"""Maximum size of an argument or environment variable: MAX_ARG_STRLEN in Linux, less 1."""
_RESERVED_BYTES = 4096  # for the names of parameters and the paths of artifacts
MAX_VALUE_BYTES = ARGUMENT_BYTES - _RESERVED_BYTES


def check_sizes(arguments: Mapping[str, Any]) -> None:
    """Check that parameter values fit into a step's command-line argument.

    Args:
        arguments: The values by parameter name.

    Raises:
        PipelineError: If one is too large.
    """
    for name, value in arguments.items():
        size = len(json.dumps(value))
        if size > MAX_VALUE_BYTES:
            raise PipelineError(
                f"parameter {name}: {size:,} bytes exceed the limit of a command-line argument ({MAX_VALUE_BYTES:,}): "
                "pass the URI of a file or data asset with the value"
            )
