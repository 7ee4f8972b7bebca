"""Versions in the hash-locked requirement sets."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def locked(package: str, requirement_set: str = "dev") -> str:
    """Return the locked version of a package.

    Args:
        package: Its normalised name, such as `kfp-kubernetes`.
        requirement_set: The name of a file in requirements/, without its suffix.
    """
    text = (ROOT / "requirements" / f"{requirement_set}.txt").read_text()
    (version,) = re.findall(rf"^{re.escape(package)}==(\S+)", text, re.MULTILINE)
    return str(version)
