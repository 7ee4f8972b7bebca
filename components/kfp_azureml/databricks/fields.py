"""Turn JSON objects into the SDK's request types, and refuse fields that the API does not know."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from types import NoneType
from typing import Any, Protocol, TypeVar, get_args, get_origin, get_type_hints

from kfp_azureml.runtime.errors import DatabricksError


class _Fields(Protocol):
    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> Any: ...

    def as_dict(self) -> dict[str, Any]: ...


Kind = TypeVar("Kind", bound=_Fields)
Choice = TypeVar("Choice", bound=Enum)


def typed(kind: type[Kind], given: Mapping[str, Any], where: str) -> Kind:
    """Return a request type of the SDK for a JSON object.

    The SDK itself drops unknown fields without an error.

    Args:
        kind: The type, such as `SubmitTask`.
        given: The object.
        where: The parameter, for the message, such as `tasks[0]`.

    Raises:
        DatabricksError: If a field is unknown, or has a value that the API does not know.
    """
    if not isinstance(given, Mapping):
        raise DatabricksError(f"{where}: {given!r} is not a JSON object")
    try:
        made: Kind = kind.from_dict(dict(given))
        kept = made.as_dict()
    except (AttributeError, TypeError, ValueError, KeyError) as error:
        raise DatabricksError(f"{where}: not as the Databricks API has it ({error})") from error
    lost = list(_lost(given, kept, where))
    if lost:
        raise DatabricksError(f"{', '.join(lost)}: unknown field or value: check its spelling")
    return made


def typed_list(kind: type[Kind], given: Iterable[Mapping[str, Any]], where: str) -> list[Kind]:
    """Return request types of the SDK for a list of JSON objects; see `typed`."""
    return [typed(kind, one, f"{where}[{position}]") for position, one in enumerate(given)]


def arguments(method: Callable[..., Any], given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the arguments of a method of the SDK for the fields of a request; see `typed`.

    Args:
        method: The method, such as `client.jobs.submit`, whose arguments are the API's fields.
        given: The fields.
        where: The request, for the message, such as `run`.

    Raises:
        DatabricksError: If a field is unknown, or has a value that the API does not know.
    """
    kinds = get_type_hints(method)
    unknown = [f"{where}.{name}" for name in given if name not in kinds]
    if unknown:
        raise DatabricksError(f"{', '.join(unknown)}: unknown field: check its spelling")
    return {name: _as_kind(kinds[name], value, name) for name, value in given.items()}


def _as_kind(hint: Any, value: Any, where: str) -> Any:
    (kind,) = [one for one in get_args(hint) if one is not NoneType] or [hint]
    if get_origin(kind) is list and hasattr(get_args(kind)[0], "from_dict"):
        if not isinstance(value, list):
            raise DatabricksError(f"{where}: {value!r} is not a JSON array")
        return typed_list(get_args(kind)[0], value, where)
    if hasattr(kind, "from_dict"):
        return typed(kind, value, where)
    return choice(kind, value, where) if isinstance(kind, type) and issubclass(kind, Enum) else value


def choice(kind: type[Choice], value: Any, where: str) -> Choice:
    """Return a member of an enumeration of the SDK.

    Raises:
        DatabricksError: If there is no such member.
    """
    try:
        return kind(value)
    except ValueError:
        choices = ", ".join(str(one.value) for one in kind)
        raise DatabricksError(f"{where} {value!r}: use one of {choices}") from None


def number(text: str, where: str) -> int:
    """Return an id, which travels as text since it has more digits than JSON numbers keep everywhere.

    Raises:
        DatabricksError: If it is not a whole number.
    """
    if not text.strip().isdecimal():
        raise DatabricksError(f"{where} {text!r}: not an id: use its digits, such as 123456789")
    return int(text)


def set_fields(**fields: Any) -> dict[str, Any]:
    """Return the fields that are set: not empty, zero or false."""
    return {name: value for name, value in fields.items() if value}


def _lost(given: Any, kept: Any, where: str) -> Iterator[str]:
    if isinstance(given, Mapping) and isinstance(kept, Mapping):
        for name, value in given.items():
            if name in kept:
                yield from _lost(value, kept[name], f"{where}.{name}")
            elif value not in (None, {}, []):
                yield f"{where}.{name}"
    elif isinstance(given, Sequence) and isinstance(kept, Sequence) and not isinstance(given, str):
        for position, (one, other) in enumerate(zip(given, kept, strict=False)):
            yield from _lost(one, other, f"{where}[{position}]")
