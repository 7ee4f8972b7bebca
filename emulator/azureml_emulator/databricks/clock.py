"""Times as Databricks' REST API writes them."""

from __future__ import annotations

import time


def milliseconds() -> int:
    """Return the current time in milliseconds since 1970."""
    return int(time.time() * 1000)
