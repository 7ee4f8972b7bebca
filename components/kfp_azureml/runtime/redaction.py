"""Redact secrets in log records: known values and patterns of tokens, keys and signatures."""

from __future__ import annotations

import logging
import os
import re
import sys
import traceback
from collections.abc import Mapping
from types import TracebackType

from kfp_azureml.runtime.terminal import plain

MASK = "***"

_SECRET_VARIABLES = ("AZ_CLIENT_SECRET", "AZURE_CLIENT_SECRET", "DATABRICKS_TOKEN")
_SHORTEST = 8  # minimum length of a value that is redacted everywhere; shorter ones may be ordinary words

_FIELDS = (
    "client_secret|client_assertion|access_token|refresh_token|accessToken|primaryKey|secondaryKey|primary_key|"
    "secondary_key|sasToken|sasUri|keyValue|accountKey"
)
_ARGUMENTS = "client_secret|client_assertion|access_token|refresh_token|account_key|sas_token"
# In JSON within JSON, quotes are escaped.
_QUOTED_FIELD = r"(?<=['\"])(?P<name>{})(?P<is>\\*['\"]: ?)(?P<quote>\\*['\"]){}(?P=quote)"

# Signatures of storage URLs, tokens and keys, as the Azure SDK and its HTTP client log them. The minimum lengths keep
# `Bearer token authentication` and `"key": "owner"` readable.
_PATTERNS = (
    re.compile(r"(?<![A-Za-z_-])(?P<name>sig)(?P<is>=)[\w%+/=.~-]+", re.IGNORECASE),
    re.compile(r"(?<=Bearer )[\w.~+/=-]{20,}", re.IGNORECASE),
    re.compile(r"(?<=SharedKey )[\w-]+:[\w+/=]+", re.IGNORECASE),
    re.compile(r"(?P<name>AccountKey)(?P<is>=)[\w+/=]+"),
    re.compile(r"\bdapi[0-9a-f]{32}(-\d+)?\b"),
    re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"),
    re.compile(_QUOTED_FIELD.format(_FIELDS, ".*?")),
    re.compile(_QUOTED_FIELD.format("key", r"[\w+/=]{40,}")),
    re.compile(rf"(?<![\w'\"])(?P<name>{_ARGUMENTS})(?P<is>=)(?P<quote>['\"]?)[^&\s'\"]+(?P=quote)"),
)

_secrets: set[str] = set()


def add_secret(secret: str) -> None:
    """Redact a value in everything that is logged from now on.

    Args:
        secret: A key, token or password that this process received.
    """
    if len(secret) >= _SHORTEST:
        _secrets.add(secret)


def redact(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return a text without secrets.

    Args:
        text: Any text.
        environ: The environment variables, some of which are secrets.
    """
    # With a variable's trailing line break, the value in a text would not match.
    values = (environ.get(name, "").strip() for name in _SECRET_VARIABLES)
    known = _secrets | {value for value in values if len(value) >= _SHORTEST}
    for secret in sorted(known, key=len, reverse=True):
        text = text.replace(secret, MASK)
    for pattern in _PATTERNS:
        text = pattern.sub(_masked, text)
    return text


class RedactingFilter(logging.Filter):
    """Redacts secrets and removes terminal escapes in a record and its traceback; passes every record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record."""
        try:
            message = record.getMessage()
        except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError):
            # A format that does not match its arguments; `logging` does not raise for it either.
            message = str(record.msg)
        record.msg, record.args = plain(redact(message)), None
        # Another handler may have formatted the traceback already; the record caches the text.
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        record.exc_text = record.exc_text and plain(redact(record.exc_text))
        record.stack_info = record.stack_info and redact(record.stack_info)
        return True


def print_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print an uncaught exception with secrets redacted: a `sys.excepthook`."""
    sys.stderr.write(plain(redact("".join(traceback.format_exception(kind, error, trace)))))


def _masked(found: re.Match[str]) -> str:
    groups = found.groupdict()
    quote = groups.get("quote") or ""
    return f"{groups['name']}{groups['is']}{quote}{MASK}{quote}" if groups else MASK
