"""Read requests to Databricks: JSON bodies, and queries whose values are texts."""

from __future__ import annotations

from typing import Any, TypeVar

from starlette.requests import Request

from azureml_emulator import strict_json
from azureml_emulator.databricks.errors import DatabricksError, invalid
from azureml_emulator.store import Document

MAX_INTEGER = 2**63
Item = TypeVar("Item")


async def read(request: Request) -> Document:
    """Read a request's fields from the query of a GET or the JSON body.

    Raises:
        DatabricksError: 400, if the body is not a JSON object.
    """
    if request.method == "GET":
        return dict(request.query_params)
    try:
        body = strict_json.loads(await request.body() or b"{}")
    except ValueError as error:
        raise DatabricksError(400, "MALFORMED_REQUEST", f"The request body is not JSON: {error}.") from None
    if not isinstance(body, dict):
        raise DatabricksError(400, "MALFORMED_REQUEST", "The request body must be a JSON object.")
    return body


def optional_text(fields: Document, name: str) -> str | None:
    """Read an optional string.

    Raises:
        DatabricksError: 400, if it is anything else.
    """
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise invalid(f"{name!r} must be a string.")
    return value


def text(fields: Document, name: str) -> str:
    """Read a required string.

    Raises:
        DatabricksError: 400, if it is missing, empty, or anything else.
    """
    value = optional_text(fields, name)
    if not value:
        raise invalid(f"Missing required field: {name}")
    return value


def optional_integer(fields: Document, name: str) -> int | None:
    """Read an optional whole number; a query has it as text.

    Raises:
        DatabricksError: 400, if it is anything else.
    """
    value = fields.get(name)
    if value is None:
        return None
    try:
        number = int(value) if isinstance(value, int | str) and not isinstance(value, bool) else None
    except ValueError:
        number = None
    if number is None or not -MAX_INTEGER <= number < MAX_INTEGER:
        raise invalid(f"{name!r} must be a whole number.")
    return number


def integer(fields: Document, name: str) -> int:
    """Read a required whole number.

    Raises:
        DatabricksError: 400, if it is missing or anything else.
    """
    value = optional_integer(fields, name)
    if value is None:
        raise invalid(f"Missing required field: {name}")
    return value


def whole_numbers(fields: Document, *names: str) -> None:
    """Turn optional fields into numbers; JSON may have them as texts.

    Raises:
        DatabricksError: 400, if one is negative or anything else.
    """
    for name in names:
        if (number := optional_integer(fields, name)) is not None:
            if number < 0:
                raise invalid(f"{name!r} must not be negative.")
            fields[name] = number


def flag(fields: Document, name: str) -> bool:
    """Read a boolean; a missing one is false, a query has it as text.

    Raises:
        DatabricksError: 400, if it is anything else.
    """
    value = fields.get(name)
    known = {None: False, "false": False, "true": True, "False": False, "True": True}
    if isinstance(value, bool):
        return value
    if isinstance(value, str | None) and value in known:
        return known[value]
    raise invalid(f"{name!r} must be true or false.")


def optional_object(fields: Document, name: str) -> Document:
    """Read an optional object; a missing one is empty.

    Raises:
        DatabricksError: 400, if it is anything else.
    """
    value = fields.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid(f"{name!r} must be an object.")
    return value


def objects(fields: Document, name: str) -> list[Document]:
    """Read a list of objects; a missing one is empty.

    Raises:
        DatabricksError: 400, if it is anything else.
    """
    value: Any = fields.get(name) or []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise invalid(f"{name!r} must be a list of objects.")
    return value


def texts(fields: Document, name: str) -> list[str]:
    """Read a list of strings; a missing one is empty.

    Raises:
        DatabricksError: 400, if it is anything else.
    """
    value: Any = fields.get(name) or []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise invalid(f"{name!r} must be a list of strings.")
    return value


def values(fields: Document, name: str) -> dict[str, str]:
    """Read an object of strings; a missing one is empty.

    Raises:
        DatabricksError: 400, if it is anything else.
    """
    value = optional_object(fields, name)
    if not all(isinstance(item, str) for item in value.values()):
        raise invalid(f"{name!r} must have strings as values.")
    return value


def page(fields: Document, found: list[Item], *, default: int, most: int) -> tuple[list[Item], Document]:
    """Return a page of results, and the fields that tell of the next one.

    Args:
        fields: The request's, with `limit`, `page_token` and the older `offset`.
        found: All results.
        default: The default length of a page.
        most: The largest length.

    Raises:
        DatabricksError: 400, if one of these fields is invalid.
    """
    length = optional_integer(fields, "limit")
    length = default if length is None else length or most
    token = fields.get("page_token") or fields.get("offset") or 0
    begin = optional_integer({"page_token": token}, "page_token") or 0
    if not 0 < length <= most:
        raise invalid(f"The limit must be from 1 to {most}.")
    if begin < 0:
        raise invalid("page_token must be one of a previous page.")
    end = begin + length
    more = end < len(found)
    return found[begin:end], {"has_more": more, **({"next_page_token": str(end)} if more else {})}
