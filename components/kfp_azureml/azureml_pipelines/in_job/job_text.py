"""How any text travels as a literal of Azure ML: as it is where nothing on its way can mistake it, else encoded.

Azure ML passes no empty text, reads its own expressions in values, and hands a job its values in environment variables.
An encoded text is `kfp.base64(...)`; a value may hold several, beside plain text, so that pipelines can put values
together. Whoever types a value by hand types it plainly.
"""

from __future__ import annotations

import base64
import binascii
import re

PARAMETER = "AZUREML_PARAMETER_"
"""Begins the environment variable with the value of an input, as azure-ai-ml's `CommandJob` documents it."""

_ENCODED = re.compile(r"kfp\.base64\(([A-Za-z0-9+/=]*)\)")
_MISTAKABLE = re.compile(r"['`$\\]|kfp\.base64\(|^\s|\s$")


def encode(text: str) -> str:
    """Return a text as a literal that `decode` turns into the same text."""
    if text and text.isprintable() and not _MISTAKABLE.search(text):
        return text
    # Lone surrogates are how Python keeps bytes that are no UTF-8.
    return f"kfp.base64({base64.b64encode(text.encode(errors='surrogateescape')).decode()})"


def decode(literal: str) -> str:
    """Return the text that a literal stands for; what looks encoded and is not stays as it is."""
    return _ENCODED.sub(_decoded, literal)


def _decoded(found: re.Match[str]) -> str:
    try:
        return base64.b64decode(found[1], validate=True).decode(errors="surrogateescape")
    except binascii.Error:
        return found[0]
