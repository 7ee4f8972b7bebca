"""Parse the body of an Azure error: codes and messages from all nested layers.

Azure ML passes on errors of other services as text: JSON inside a message, possibly escaped again or with doubled
braces, such as `{"errors": {"VmSize": ["Not enough quota ..."]}}`. A failed provisioning has no code field; its message
starts with the code and a colon.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from azure.core.exceptions import HttpResponseError, ResponseNotReadError, StreamConsumedError

_MOST_LAYERS = 20
# `ResourceNotReady: User container has crashed`, also as the command line shows it, after `ERROR: (None) `.
_CODE_IN_TEXT = re.compile(r"(?:(?i:error):\s*)?(?:\(None\)\s*)?([A-Z][A-Za-z0-9]+):\s+(\S.*)", re.DOTALL)
_PLACES = {"error", "message", "errors", "detail", "title", "details"}
_DECODER = json.JSONDecoder(strict=False)


@dataclass
class ServiceError:
    """A parsed error of the service.

    Attributes:
        codes: Its codes, the outermost first; a code at the start of a message comes last.
        texts: Its messages, each with its nesting depth.
        fields: The invalid fields of a validation error, such as `VmSize`.
        operation: Status of the failed long-running operation in lower case; empty if there is none.
    """

    codes: list[str] = field(default_factory=list)
    texts: list[tuple[int, str]] = field(default_factory=list)
    fields: list[str] = field(default_factory=list)
    operation: str = ""

    @property
    def message(self) -> str:
        """The innermost message, the first one of several; empty if there is none."""
        return max(self.texts, key=lambda found: found[0])[1] if self.texts else ""


def read_service_error(error: HttpResponseError) -> ServiceError:
    """Parse the error in a response's body; without a body the result is empty."""
    found = ServiceError()
    document = _document(error)
    found.operation = str(document.get("status") or "").lower()
    _read(document, found, 0)
    if not found.codes:
        code = getattr(error, "error_code", None)  # set by the storage client, as an enum
        found.codes += [str(getattr(code, "value", code))] if code else []
    return found


def _document(error: HttpResponseError) -> dict[str, Any]:
    try:
        document = json.loads(error.response.text()) if error.response else {}
    except (AttributeError, TypeError, ValueError, RecursionError, ResponseNotReadError, StreamConsumedError):
        return {}
    return document if isinstance(document, dict) else {}


def _read(value: object, found: ServiceError, depth: int) -> None:
    """Read an error object: `error`, `code`, `message`, `details`, `errors` and `title`, in any case."""
    if not isinstance(value, dict) or depth > _MOST_LAYERS:
        return
    node = {str(name).lower(): item for name, item in value.items()}
    _read(node.get("error"), found, depth)
    if isinstance(node.get("code"), str) and node["code"]:
        found.codes.append(node["code"])
    before = len(found.texts)
    _read_text(node.get("message"), found, depth)
    for name, problem in _problems(node.get("errors")):
        found.fields.append(name)
        _read_text(problem, found, depth + 1)
    if len(found.texts) == before:
        _read_text(node.get("detail") or node.get("title"), found, depth)
    details = node.get("details")
    for detail in details if isinstance(details, list) else []:
        _read(detail, found, depth + 1)


def _problems(errors: object) -> Iterator[tuple[str, object]]:
    """Yield the problems of a validation error, each with its field."""
    for name, problems in errors.items() if isinstance(errors, dict) else []:
        for problem in problems if isinstance(problems, list) else [problems]:
            yield str(name), problem


def _read_text(text: object, found: ServiceError, depth: int) -> None:
    if not isinstance(text, str) or not text.strip() or depth > _MOST_LAYERS:
        return
    inner = _json_in(text.strip())
    if isinstance(inner, str):
        _read_text(inner, found, depth + 1)
        return
    before = len(found.texts)
    _read(inner, found, depth + 1)
    if len(found.texts) > before or _says_nothing(inner):
        return
    prefixed = _CODE_IN_TEXT.fullmatch(text.strip())
    if prefixed and prefixed[1] not in found.codes[-1:]:
        found.codes.append(prefixed[1])
    found.texts.append((depth, prefixed[2] if prefixed else text.strip()))


def _says_nothing(value: object) -> bool:
    """Say whether an error object has places for a text and none in them: what is around it says more."""
    if not isinstance(value, dict):
        return False
    node = {str(name).lower(): item for name, item in value.items()}
    return bool(node.keys() & _PLACES) and all(_is_empty(node.get(name)) for name in _PLACES)


def _is_empty(value: object) -> bool:
    if isinstance(value, dict):
        return all(_is_empty(item) for name, item in value.items() if str(name).lower() != "code")
    if isinstance(value, list):
        return all(map(_is_empty, value))
    return not str(value or "").strip()


def _json_in(text: str) -> dict[str, Any] | str | None:
    """Return the JSON object or string in a text, which may follow other text; None if there is none."""
    for spelling in _spellings(text):
        if len(spelling) > 1 and spelling[0] == spelling[-1] == '"':
            value = _decoded(spelling)
            if isinstance(value, str):
                return value
        for brace in list(re.finditer(r"\{", spelling))[:3]:
            value = _decoded(spelling, brace.start())
            if isinstance(value, dict) and value:
                return value
    return None


def _spellings(text: str) -> Iterator[str]:
    """Yield a text unchanged, with doubled braces made single, and unescaped repeatedly."""
    for _ in range(_MOST_LAYERS):
        yield text
        if "{{" in text:
            yield text.replace("{{", "{").replace("}}", "}")
        unescaped = _decoded(f'"{text}"') if r"\"" in text else None
        if not isinstance(unescaped, str):
            return
        text = unescaped


def _decoded(text: str, begin: int | None = None) -> object:
    """Return the JSON value of a text, or of the part that begins at an index; None if it is not JSON."""
    try:
        return _DECODER.decode(text) if begin is None else _DECODER.raw_decode(text, begin)[0]
    except (ValueError, RecursionError):
        return None
