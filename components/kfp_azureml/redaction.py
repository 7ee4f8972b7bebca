"""Secrets never reach a log: what is known to be one, and what looks like one, is blotted out of every record."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping

BLOT = "***"

_SECRET_VARIABLES = ("AZ_CLIENT_SECRET", "AZURE_CLIENT_SECRET")
_SHORTEST = 8  # characters of a value that is blotted out wherever it stands; shorter ones are words, too

# Signatures of storage addresses, tokens, keys, as the Azure SDK and its HTTP client print them in requests.
_PATTERNS = (
    re.compile(r"(?<=[?&]sig=)[^&\s'\"]+", re.IGNORECASE),
    re.compile(r"(?<=Bearer )[\w.~+/=-]+", re.IGNORECASE),
    re.compile(r"(?<=SharedKey )[\w:.+/=-]+", re.IGNORECASE),
    re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"),
    re.compile(
        r"(?<=['\"])(?P<name>client_secret|client_assertion|access_token|refresh_token|accessToken|primaryKey|"
        r"secondaryKey|primary_key|secondary_key|sasToken|sasUri|keyValue|accountKey)(?P<is>['\"]: ?)"
        r"(?P<quote>['\"]).*?(?P=quote)"
    ),
    re.compile(r"(?<![\w'\"])(?P<name>client_secret|client_assertion|access_token)(?P<is>=)[^&\s'\"]+"),
)

_hidden: set[str] = set()


def hide(secret: str) -> None:
    """Blot a value out of all that is logged from now on.

    Args:
        secret: A key, token or password that this process got to know.
    """
    if len(secret) >= _SHORTEST:
        _hidden.add(secret)


def redact(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return a text without secrets.

    Args:
        text: Any text.
        environ: The environment variables, some of which are secrets.
    """
    known = _hidden | {environ[name] for name in _SECRET_VARIABLES if len(environ.get(name, "")) >= _SHORTEST}
    for secret in sorted(known, key=len, reverse=True):
        text = text.replace(secret, BLOT)
    for pattern in _PATTERNS:
        text = pattern.sub(_blot, text)
    return text


class RedactingFilter(logging.Filter):
    """Takes secrets out of a record, its arguments and its traceback; lets every record pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record."""
        record.msg, record.args = redact(record.getMessage()), None
        if record.exc_info and not record.exc_text:
            record.exc_text = redact(logging.Formatter().formatException(record.exc_info))
        return True


def _blot(found: re.Match[str]) -> str:
    groups = found.groupdict()
    quote = groups.get("quote") or ""
    return f"{groups['name']}{groups['is']}{quote}{BLOT}{quote}" if groups else BLOT
