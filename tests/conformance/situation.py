"""Situations of an operation that have answers of their own, told from the answer."""

from __future__ import annotations

from typing import Any

from exchange import Exchange

CREATED, REPLACED, ANSWERED, PAGE = "created", "replaced", "answered", "page"
RUNNING, ENDED, FAILED = "running", "ended", "failed"
MISSING, DELETED, REFUSED = "missing", "deleted", "refused"

# Another situation of the operation whose facts hold where this one was not recorded: a PUT over an existing endpoint
# is answered as its creation is.
INSTEAD = {REPLACED: CREATED, CREATED: REPLACED}
ENDED_STATES = {"Succeeded": ENDED, "Failed": FAILED, "Canceled": FAILED}
# Where a kind of resource says what it is: each has keys of its own.
KINDS = (
    ("kind",),
    ("properties", "jobType"),
    ("properties", "computeType"),
    ("properties", "datastoreType"),
    ("properties", "componentSpec", "type"),
    ("properties", "endpointComputeType"),
)


def situation_of(exchange: Exchange) -> str:
    """Return an answer's situation."""
    if exchange.status >= 400:
        return _error(exchange)
    if "OperationsStatus/" in exchange.path:
        state = exchange.body.get("status", "") if isinstance(exchange.body, dict) else ""
        return ENDED_STATES.get(state, RUNNING)
    if exchange.method == "PUT":
        return REPLACED if exchange.status == 200 else CREATED
    is_page = isinstance(exchange.body, dict) and bool(exchange.body.get("nextLink"))
    return PAGE if is_page else ANSWERED


def _error(exchange: Exchange) -> str:
    if exchange.status != 404:
        return REFUSED
    # Resource Manager's gateway knows which endpoints and deployments there are, and asks the service about others.
    at_gateway = "Endpoints/" in exchange.path
    return DELETED if at_gateway and not is_from_gateway(exchange) else MISSING


def is_from_gateway(exchange: Exchange) -> bool:
    """Return whether an error is Resource Manager's own: it has neither details nor additional information."""
    error = exchange.body.get("error") if isinstance(exchange.body, dict) else None
    return isinstance(error, dict) and set(error) == {"code", "message"}


def kind_of(exchange: Exchange) -> str:
    """Return what kind of resource an answer has: `Managed`, `AmlCompute`; of an operation its id's kind."""
    if exchange.operation_kind:
        return exchange.operation_kind
    if at(exchange.body, ("properties", "build")):
        return "build"  # an environment made from a Dockerfile has no image
    found = (at(exchange.body, path) for path in KINDS)
    return next((value for value in found if isinstance(value, str)), "")


def at(body: Any, path: tuple[str, ...]) -> Any:
    """Return what is at a path of keys, or None."""
    for key in path:
        body = body.get(key) if isinstance(body, dict) else None
    return body
