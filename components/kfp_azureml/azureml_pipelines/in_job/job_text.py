"""Encode text as an Azure ML literal: unchanged if that is safe, else as base64.

Azure ML does not pass empty text, evaluates expressions in values, and passes values to jobs in environment variables.
Encoded text is `kfp.base64(...)`; a value may contain several next to plain text, so that pipelines can concatenate
values. Values typed by users need no encoding.
"""

from __future__ import annotations

import base64
import binascii
import re

PARAMETER = "AZUREML_PARAMETER_"
"""Prefix of the environment variables with input values, as documented for azure-ai-ml's `CommandJob`."""

_ENCODED = re.compile(r"kfp\.base64\(([A-Za-z0-9+/=]*)\)")
_MISTAKABLE = re.compile(r"['`$\\]|kfp\.base64\(|^\s|\s$")


def encode(text: str) -> str:
    """Return a text as a literal that `decode` turns into the same text."""
    if text and text.isprintable() and not _MISTAKABLE.search(text):
        return text
    # Lone surrogates represent bytes that are not UTF-8.
    return f"kfp.base64({base64.b64encode(text.encode(errors='surrogateescape')).decode()})"


def decode(literal: str) -> str:
    """Return the text of a literal; invalid encodings are left unchanged."""
    return _ENCODED.sub(_decoded, literal)


def _decoded(found: re.Match[str]) -> str:
    try:
        return base64.b64decode(found[1], validate=True).decode(errors="surrogateescape")
    except binascii.Error:
        return found[0]
