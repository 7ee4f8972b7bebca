"""The words of Azure ML's contract: the only ones that stay in recorded traffic.

They are those of the SDK's own models of the REST API, with their documentation, and a few of recorded errors.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_MODELS = ("arm_ml_service/models", "runhistory/models", "model_dataplane/models")
_NAME_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
# In answers of the service, recorded 2022 to 2024 or reported by users, and not in the SDK's models.
_RECORDED = frozenset(
    [
        *("again", "bad", "become", "body", "bulk", "clean", "crashed", "driver"),
        *("due", "enough", "exception", "exist", "exists", "fix", "found", "guid"),
        *("guide", "inner", "ietf", "managementfrontend", "mferp", "phrase", "permission", "potential"),
        *("reached", "reason", "recreate", "recreated", "register", "see", "shortly", "svc"),
        *("terminated", "title", "tools", "troubleshooting", "try", "tsg", "unique", "unrecoverable"),
        *("validation", "oe", "aka", "ms", "html", "https", "rfc", "catalog"),
        *("gallery", "hyperdrive", "labeling", "pipelines", "regions", "soft", "allowlist", "autologger"),
        *("software", "bill", "materials", "children", "discovery", "score", "rundata", "getlogs", "history"),
        *("mlflow", "modelregistry", "studio", "amlworkspace", "wsid", "keyvault", "vaults", "development"),
        *("production"),
    ]
)


def is_of_contract(word: str) -> bool:
    """Return whether a word, or each part of a camel-case word, is in the contract.

    Args:
        word: ASCII letters.
    """
    words, parts = _vocabulary()
    if word.lower() in words:
        return True
    found = _NAME_PARTS.findall(word)
    return len(found) > 1 and all(part.lower() in parts for part in found)


@cache
def _vocabulary() -> tuple[frozenset[str], frozenset[str]]:
    """Return the words, and the parts of camel-case words."""
    package = find_spec("azure.ai.ml")  # importing it costs seconds
    assert package is not None
    client = Path(str(package.origin)).parent / "_restclient"
    texts = [path.read_text() for folder in _MODELS for path in sorted((client / folder).glob("*.py"))]
    whole = {word for text in texts for word in re.findall(r"[A-Za-z]+", text)}
    words = {word.lower() for word in whole} | _RECORDED
    parts = {part.lower() for word in whole for part in _NAME_PARTS.findall(word)}
    return frozenset(words), frozenset(parts | words)
