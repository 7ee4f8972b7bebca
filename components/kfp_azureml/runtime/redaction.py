"""Secrets never reach a log: what is known to be one, and what looks like one, is blotted out of every record."""

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

_SECRET_VARIABLES = ("AZ_CLIENT_SECRET", "AZURE_CLIENT_SECRET")
_SHORTEST = 8  # characters of a value that is blotted out wherever it stands; shorter ones are words, too

_FIELDS = (
    "client_secret|client_assertion|access_token|refresh_token|accessToken|primaryKey|secondaryKey|primary_key|"
    "secondary_key|sasToken|sasUri|keyValue|accountKey"
)
_ARGUMENTS = "client_secret|client_assertion|access_token|refresh_token|account_key|sas_token"
# A quote in JSON within JSON comes with a backslash.
_QUOTED_FIELD = r"(?<=['\"])(?P<name>{})(?P<is>\\*['\"]: ?)(?P<quote>\\*['\"]){}(?P=quote)"

# Signatures of storage addresses, tokens, keys, as the Azure SDK and its HTTP client print them in requests. Tokens and
# account keys are long: so `Bearer token authentication` and `"key": "owner"` stay.
_PATTERNS = (
    re.compile(r"(?<![A-Za-z_-])(?P<name>sig)(?P<is>=)[\w%+/=.~-]+", re.IGNORECASE),
    re.compile(r"(?<=Bearer )[\w.~+/=-]{20,}", re.IGNORECASE),
    re.compile(r"(?<=SharedKey )[\w-]+:[\w+/=]+", re.IGNORECASE),
    re.compile(r"(?P<name>AccountKey)(?P<is>=)[\w+/=]+"),
    re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"),
    re.compile(_QUOTED_FIELD.format(_FIELDS, ".*?")),
    re.compile(_QUOTED_FIELD.format("key", r"[\w+/=]{40,}")),
    re.compile(rf"(?<![\w'\"])(?P<name>{_ARGUMENTS})(?P<is>=)(?P<quote>['\"]?)[^&\s'\"]+(?P=quote)"),
)

_secrets: set[str] = set()


def add_secret(secret: str) -> None:
    """Blot a value out of all that is logged from now on.

    Args:
        secret: A key, token or password that this process got to know.
    """
    if len(secret) >= _SHORTEST:
        _secrets.add(secret)


def redact(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return a text without secrets.

    Args:
        text: Any text.
        environ: The environment variables, some of which are secrets.
    """
    # Without the line break that a variable may end in, which would hide nothing else.
    values = (environ.get(name, "").strip() for name in _SECRET_VARIABLES)
    known = _secrets | {value for value in values if len(value) >= _SHORTEST}
    for secret in sorted(known, key=len, reverse=True):
        text = text.replace(secret, MASK)
    for pattern in _PATTERNS:
        text = pattern.sub(_blot, text)
    return text


class RedactingFilter(logging.Filter):
    """Takes secrets and terminal escapes out of a record and its traceback; lets every record pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record."""
        try:
            message = record.getMessage()
        except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError):
            # Arguments that do not fit are the mistake of whoever logs; `logging` does not raise for them either.
            message = str(record.msg)
        record.msg, record.args = plain(redact(message)), None
        # Another handler may have written the traceback out already; the record keeps the text.
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        record.exc_text = record.exc_text and plain(redact(record.exc_text))
        record.stack_info = record.stack_info and redact(record.stack_info)
        return True


def print_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print what ends the process, as Python itself does, without secrets: a `sys.excepthook`."""
    sys.stderr.write(plain(redact("".join(traceback.format_exception(kind, error, trace)))))


def _blot(found: re.Match[str]) -> str:
    groups = found.groupdict()
    quote = groups.get("quote") or ""
    return f"{groups['name']}{groups['is']}{quote}{MASK}{quote}" if groups else MASK
