"""`make bench`: measure what is not measured yet and write RESULTS.md."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import click

from bench.context import BASELINE, REPOSITORY, Context
from bench.report import has_costs, page, table
from bench.store import Store, machine
from bench.table import MEASUREMENTS, SCALES
from kfp_azureml.runtime.cancellation import cancellable
from kfp_azureml.runtime.errors import CancelledError
from kfp_azureml.runtime.outputs import atomic_file

BENCH = REPOSITORY / "bench"
CACHE = REPOSITORY / ".cache" / "bench"


@click.command()
@click.option("--only", default="", help="Names of measurements, or their prefixes, separated by spaces.")
@click.option("--again", is_flag=True, help="Measure again what is stored.")
@click.option("--list", "listed", is_flag=True, help="List the measurements and whether they are done.")
@click.option(
    "--scale",
    type=click.Choice(sorted(SCALES)),
    default="full",
    show_default=True,
    help="tiny tries the bench itself; its results go to .cache/bench/tiny.",
)
def main(only: str, again: bool, listed: bool, scale: str) -> None:
    """Measure the suite against the baselines. Stored results of unchanged files are kept."""
    results = BENCH if scale == "full" else CACHE / scale
    store = Store(results / "results" / "rows")
    wanted = [m for m in MEASUREMENTS if not only or m.name.startswith(tuple(only.split()))]
    if not wanted:
        raise click.UsageError(
            f"no measurement is called {only}; choose from {', '.join(m.name for m in MEASUREMENTS)}"
        )
    for measurement in wanted:
        if listed:
            click.echo(f"{measurement.name:<12} {'done' if store.find(measurement) else 'to do'}")
        elif again or not store.find(measurement):
            click.echo(f"== {measurement.name}")
            started = time.monotonic()
            work = CACHE / "work"
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir(parents=True)
            rows = measurement.measure(Context(SCALES[scale], work, click.echo))
            shutil.rmtree(work)
            kept = store.keep(measurement, [row.as_dict() for row in rows], time.monotonic() - started)
            click.echo(table(kept["rows"]))
    if not listed:
        _write(store, results)


def _write(store: Store, results: Path) -> None:
    """Write the page and the picture; the page lists what is not measured yet."""
    kept = {measurement: store.find(measurement) for measurement in MEASUREMENTS}
    found = {measurement: document for measurement, document in kept.items() if document}
    older = [document for measurement in MEASUREMENTS if (document := store.find_older(measurement))]
    missing = [m.name for m in MEASUREMENTS if m not in found and not store.find_older(m)]
    drawn = [store.path(measurement) for measurement, document in found.items() if has_costs(document)]
    if drawn:
        with atomic_file(results / "costs.svg") as part:
            subprocess.run([BASELINE, BENCH / "picture.py", part, *drawn], check=True)
    with atomic_file(results / "RESULTS.md") as part:
        remarks = (BENCH / "remarks.md").read_text()
        part.write_text(page(list(found.values()), machine(), remarks, older, missing))
    still = f"; still to be measured: {', '.join(missing)}" if missing else ""
    click.echo(f"{results / 'RESULTS.md'}: written{still}")


if __name__ == "__main__":
    try:
        with cancellable():
            main(prog_name="make bench")
    except CancelledError as cancelled:
        sys.exit(cancelled.exit_code)
