"""Read MLflow requests: protobuf's JSON, in which numbers can be strings."""

from __future__ import annotations

from typing import Any, TypeVar

from starlette.requests import Request

from azureml_emulator import strict_json
from azureml_emulator.store import Document
from azureml_emulator.tracking.errors import invalid

MAX_INTEGER = 2**63
VIEWS = {"ACTIVE_ONLY": (False,), "DELETED_ONLY": (True,), "ALL": (False, True)}
Item = TypeVar("Item")


async def read(request: Request) -> Document:
    """Read a request's fields from the query of a GET or the JSON body.

    Returns:
        The fields; those of a query are strings, or lists of repeated ones.

    Raises:
        MlflowError: 400, if the body is not a JSON object.
    """
    if request.method == "GET":
        names = dict.fromkeys(request.query_params)
        return {name: values[0] if len(values := request.query_params.getlist(name)) == 1 else values for name in names}
    try:
        body = strict_json.loads(await request.body() or b"{}")
    except ValueError as error:
        raise invalid(f"The request body is not JSON: {error}.") from None
    if not isinstance(body, dict):
        raise invalid("The request body must be a JSON object.")
    return body


def optional_text(fields: Document, name: str) -> str | None:
    """Read an optional string.

    Raises:
        MlflowError: 400, if it is anything else.
    """
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise invalid(f"{name!r} must be a string, not {value!r}.")
    return value


def text(fields: Document, name: str) -> str:
    """Read a required string.

    Raises:
        MlflowError: 400, if it is missing, empty, or anything else.
    """
    value = optional_text(fields, name)
    if not value:
        raise invalid(f"The field {name!r} is missing.")
    return value


def texts(fields: Document, name: str) -> list[str]:
    """Read a list of strings; a single one is a list, a missing one is empty.

    Raises:
        MlflowError: 400, if it is anything else.
    """
    value = fields.get(name)
    values = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(item, str) for item in values):
        raise invalid(f"{name!r} must be a list of strings.")
    return values


def integer(fields: Document, name: str, default: int) -> int:
    """Read a 64-bit integer, or the default if it is missing.

    Raises:
        MlflowError: 400, if it is anything else.
    """
    value = fields.get(name, default)
    try:
        # Not through a float, which would round large numbers.
        whole = int(value) if isinstance(value, int | str) and not isinstance(value, bool) else None
    except ValueError:
        whole = None
    if whole is None or not -MAX_INTEGER <= whole < MAX_INTEGER:
        raise invalid(f"The field {name!r} must be a whole number, not {str(value)[:50]!r}.")
    return whole


def number(fields: Document, name: str, default: float | None = None) -> float:
    """Read a number, `NaN` and infinities included; required without a default.

    Raises:
        MlflowError: 400, if it is missing or anything else.
    """
    value = fields.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise invalid(f"The field {name!r} must be a number, not {value!r}.")
    try:
        return float(value)
    except (ValueError, OverflowError):
        raise invalid(f"The field {name!r} must be a number, not {str(value)[:50]!r}.") from None


def objects(fields: Document, name: str) -> list[Document]:
    """Read a list of objects; a missing one is empty.

    Raises:
        MlflowError: 400, if it is anything else.
    """
    value: Any = fields.get(name) or []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise invalid(f"{name!r} must be a list of objects.")
    return value


def labels(fields: Document, name: str) -> dict[str, str]:
    """Read a list of `{key, value}` as values by key.

    Raises:
        MlflowError: 400, if it is anything else.
    """
    return {text(item, "key"): optional_text(item, "value") or "" for item in objects(fields, name)}


def view(asked: Document, name: str) -> tuple[bool, ...]:
    """Read a view type; return the accepted values of `deleted`.

    Raises:
        MlflowError: 400, if it is unknown.
    """
    shown = VIEWS.get(optional_text(asked, name) or "ACTIVE_ONLY")
    if shown is None:
        raise invalid(f"{name!r} must be {', '.join(VIEWS)}.")
    return shown


def page(asked: Document, found: list[Item], size: int) -> tuple[list[Item], dict[str, str]]:
    """Return a page of results, and the token of the next page if there is one.

    Args:
        asked: The request's fields, with `max_results` and `page_token`.
        found: All results.
        size: The default page size.

    Raises:
        MlflowError: 400, if `max_results` or `page_token` is invalid.
    """
    begin = integer({"page_token": asked.get("page_token") or 0}, "page_token", 0)
    length = integer(asked, "max_results", size)
    if begin < 0 or length < 1:
        raise invalid("'max_results' must be positive, and 'page_token' a token of a previous page.")
    end = begin + length
    return found[begin:end], {"next_page_token": str(end)} if end < len(found) else {}
