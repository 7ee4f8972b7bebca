"""Writes emulator/COVERAGE.md: what of Azure ML's API the emulator plays, and which real client asked for it in a test.

    emulator_coverage.py collect ACCESS_LOG     takes down who asked for what, and writes the page
    emulator_coverage.py                        writes the page

What the contract has is read from the request builders of azure-mgmt-machinelearningservices, what the emulator has
from its routes, and who asked from an access log of the clients' tests; that is kept in emulator/coverage.json.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from azure.mgmt.machinelearningservices import operations as contract_operations

from azureml_emulator.settings import Settings
from emulator_operations import Operation, list_operations

EMULATOR = Path(__file__).parents[2]
PAGE, DATA = EMULATOR / "COVERAGE.md", EMULATOR / "coverage.json"
MANAGEMENT = "management.azure.com"
WORKSPACE_ID = Settings(Path("nowhere")).workspace_id
WORKSPACE = re.compile(r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/[^/]+/workspaces/(?:\{\w+\}|local)(?=/|$)")
CLIENTS = {
    "azure-ai-ml": re.compile(r"azure-ai-ml/"),
    "azure-mgmt-machinelearningservices": re.compile(r"azsdk-python-mgmt-machinelearningservices/2"),
    "MLflow": re.compile(r"mlflow|azsdk-python-mgmt-machinelearningservices/0"),
    "azure-identity": re.compile(r"azsdk-python-identity/"),
    "REST": re.compile(r"python-httpx/"),
}
"""The clients by what they call themselves; REST is our own tests, asking by hand."""
REAL_SERVICE = "real service"
HEAD = """# What the emulator plays

Written by `make emulator-coverage`: from the contract (every operation of `azure-mgmt-machinelearningservices` 2.0.0b2,
API version 2023-04-01), from the emulator's routes, and from the access log of the clients' tests. A client's column
says that it asked for the operation in a test and got an answer that was not a 501. REST is a test that asks by hand.

The last column says whether the operation was compared with the real service. What is not emulated answers 501 and
names the route. `WS` is a workspace's ARM id:
`/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.MachineLearningServices/workspaces/{workspace}`.
"""


@dataclass(frozen=True)
class Row:
    """An operation in the list.

    Attributes:
        name: What the contract's client calls it; empty for what is only in the emulator.
        method: The HTTP method.
        path: The path.
        operation: The emulator's operation, None when it has none.
    """

    name: str
    method: str
    path: str
    operation: Operation | None


def collect(access_log: Iterable[str]) -> dict[str, list[str]]:
    """Read who asked for what.

    Args:
        access_log: The lines of an emulator's access log.

    Returns:
        The operations by client.
    """
    operations = list_operations()
    seen: dict[str, set[str]] = {name: set() for name in CLIENTS}
    for line in map(json.loads, access_log):
        client = next((name for name, called in CLIENTS.items() if called.search(line["client"])), None)
        asked = next((each for each in operations if each.matches(line["method"], line["host"], line["path"])), None)
        if client and asked and line["status"] != 501:
            seen[client].add(_key(asked))
    return {name: sorted(keys) for name, keys in seen.items()}


def render(seen: dict[str, list[str]]) -> str:
    """Write the page.

    Args:
        seen: The operations by client, and those that the real service was asked for.

    Returns:
        The Markdown.
    """
    operations = list_operations()
    contract = list(_contract(operations))
    told = {row.operation for row in contract}
    others = [Row("", each.method, each.path, each) for each in operations if not each.refuses and each not in told]
    lines = [HEAD]
    for host in dict.fromkeys(each.host for each in operations):
        rows = [row for row in others if row.operation and row.operation.host == host]
        if host == MANAGEMENT:
            rows = [*contract, *rows]
        if rows:
            lines += [f"## {host}\n", *_table(rows, seen), ""]
    return "\n".join(lines)


def keys() -> set[str]:
    """Name all operations as they are in the data."""
    return {_key(operation) for operation in list_operations()}


def _contract(operations: list[Operation]) -> Iterator[Row]:
    """List what the contract has, in the client's own order."""
    for module in pkgutil.iter_modules(contract_operations.__path__):
        group = module.name.strip("_").removesuffix("_operations")
        source = importlib.import_module(f"{contract_operations.__name__}.{module.name}")
        for name, build in inspect.getmembers(source, inspect.isfunction):
            if not re.fullmatch(r"build_\w+_request", name):
                continue
            method, path = _request(build)
            concrete = WORKSPACE.sub(WORKSPACE_ID, path).replace("{", "").replace("}", "")
            found = next((each for each in operations if each.matches(method, MANAGEMENT, concrete)), None)
            operation = None if found is None or found.refuses else found
            yield Row(f"{group}.{name.removeprefix('build_').removesuffix('_request')}", method, path, operation)


def _request(build: object) -> tuple[str, str]:
    """Let the client build a request, with the names of its parameters in place of their values."""
    assert callable(build)
    parameters = inspect.signature(build).parameters.values()
    names = [each.name for each in parameters if each.kind is not each.VAR_KEYWORD and each.default is each.empty]
    request = build(**{name: f"zz{name.replace('_', '')[:20]}zz" for name in names})
    path = re.sub(r"zz(\w+?)zz", r"{\1}", urlsplit(request.url).path)
    return request.method, path.replace("{resourcegroupname}", "{group}").replace("{workspacename}", "{workspace}")


def _table(rows: list[Row], seen: dict[str, list[str]]) -> Iterator[str]:
    yield f"| operation | emulated | {' | '.join(CLIENTS)} | {REAL_SERVICE} |"
    yield f"|---|---|{'---|' * len(CLIENTS)}---|"
    for row in rows:
        key = _key(row.operation) if row.operation else None
        marks = ["yes" if key and key in seen.get(name, ()) else "" for name in CLIENTS]
        real = "yes" if key and key in seen.get(REAL_SERVICE, ()) else "no"
        name = f"{row.name}<br>" if row.name else ""
        what = f"{name}`{row.method} {WORKSPACE.sub('WS', row.path)}`"
        yield f"| {what} | {'yes' if row.operation else 'no'} | {' | '.join(marks)} | {real} |"


def _key(operation: Operation) -> str:
    return f"{operation.method} {operation.host}{WORKSPACE.sub('WS', operation.path)}"


def main(arguments: list[str]) -> None:
    """Write the page, and before it the data it is made from."""
    if arguments[:1] == ["collect"]:
        with Path(arguments[1]).open() as log:
            DATA.write_text(json.dumps({**collect(log), REAL_SERVICE: []}, indent=1) + "\n")
    PAGE.write_text(render(json.loads(DATA.read_text())))


if __name__ == "__main__":
    main(sys.argv[1:])
