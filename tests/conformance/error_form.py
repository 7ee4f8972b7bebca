"""An error's form: its code, its details' codes, and what else it carries."""

from __future__ import annotations

from typing import Any

from exchange import Exchange

LIST_LENGTH = 3
"""The recordings cut lists to as many elements: nothing is known of more."""


def error_form(exchange: Exchange) -> str:
    """Return an error's form: `UserError > ModelNotFound [ComponentName, Correlation, Environment]`.

    That of an answer which is no error is empty. Codes of details follow `>`; names of additional information are in
    brackets.
    """
    if exchange.status < 400:
        return ""
    error = exchange.body.get("error") if isinstance(exchange.body, dict) else None
    if not isinstance(error, dict):
        return "no error object"
    details = [str(each.get("code")) for each in _dicts(error.get("details"))]
    named = [str(each.get("type")) for each in _dicts(error.get("additionalInfo"))]
    form = str(error.get("code"))
    form += f" > {', '.join(details)}" if details else ""
    form += f" [{', '.join(named)}]" if named else ""
    return form


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value[:LIST_LENGTH] if isinstance(each, dict)] if isinstance(value, list) else []
