"""Write facts.json, and the column of emulator/COVERAGE.md that follows from it.

    record_facts.py [EXCHANGES.jsonl ..]        add the facts of recorded exchanges to those that are there
    record_facts.py --from-scratch EXCHANGES.jsonl ..   write the facts of these exchanges only
    record_facts.py --contract FOLDER ..        replace those of the contract's examples

EXCHANGES.jsonl has one request and its answer a line, as `make test-azure` writes them. FOLDER is the folder `examples`
of an API version in Azure/azure-rest-api-specs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import contract
import coverage_column
import exchange
import facts


def main() -> None:
    """Write the facts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exchanges", type=Path, nargs="*")
    parser.add_argument("--from-scratch", action="store_true", help="forget what was recorded before")
    parser.add_argument("--contract", type=Path, nargs="+", help="folders with API versions' examples")
    arguments = parser.parse_args()
    known = facts.load()
    recorded = {} if arguments.from_scratch else {case: each for case, each in known.items() if not each.contract}
    examples = {case: each for case, each in known.items() if each.contract}
    if arguments.contract:
        examples = facts.merge(pair for folder in arguments.contract for pair in contract.read(folder))
    for path in arguments.exchanges:
        added = facts.collect(exchange.of_workspaces(exchange.read(path)))
        recorded = facts.merge([*recorded.items(), *added.items()])
    # What was recorded replaces what was only published.
    operations = {case.operation for case in recorded}
    kept = {case: each for case, each in examples.items() if case.operation not in operations}
    facts.save(facts.merge([*recorded.items(), *kept.items()]))
    coverage_column.write()


if __name__ == "__main__":
    main()
