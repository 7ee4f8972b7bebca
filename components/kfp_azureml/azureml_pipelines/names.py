"""Names of jobs and assets, before they become part of an address."""

from __future__ import annotations

import re

from kfp_azureml.errors import PipelineError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")


def check_name(what: str, name: str) -> None:
    """Refuse what cannot be a name in a workspace.

    Args:
        what: What has the name, such as `job`.
        name: The name, or a version.

    Raises:
        PipelineError: If it is none.
    """
    if not _NAME.fullmatch(name):
        raise PipelineError(
            f"{what} {name!r}: a name has up to 255 letters, digits, dashes, underscores and dots, "
            "and begins with a letter, a digit or an underscore"
        )
