"""`make bench`: measures what is not measured yet, and writes the table."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import click

from bench.context import BASELINE, REPOSITORY, Context
from bench.report import has_picture, latest, page, table
from bench.store import Store, machine
from bench.table import MEASUREMENTS, SCALES
from kfp_azureml.runtime.cancellation import cancellable
from kfp_azureml.runtime.errors import CancelledError
from kfp_azureml.runtime.outputs import whole_file

BENCH = REPOSITORY / "bench"
CACHE = REPOSITORY / ".cache" / "bench"


@click.command()
@click.option("--only", default="", help="Names of measurements, or how they begin, separated by blanks.")
@click.option("--again", is_flag=True, help="Measure what has been measured too.")
@click.option("--list", "listed", is_flag=True, help="List the measurements and whether they are done.")
@click.option(
    "--scale",
    type=click.Choice(sorted(SCALES)),
    default="full",
    show_default=True,
    help="tiny: a trial of the bench itself; its results go to .cache/bench/tiny.",
)
def main(only: str, again: bool, listed: bool, scale: str) -> None:
    """Measure ours against the baselines; what was measured before, of the same files, is kept."""
    results = BENCH if scale == "full" else CACHE / scale
    store = Store(results / "results" / "rows")
    wanted = [m for m in MEASUREMENTS if not only or m.name.startswith(tuple(only.split()))]
    if not wanted:
        raise click.UsageError(f"no measurement begins with {only}: {', '.join(m.name for m in MEASUREMENTS)}")
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
    """Write what there is; the page says what is missing."""
    kept = {measurement.name: store.find(measurement) for measurement in MEASUREMENTS}
    document = latest([one for one in kept.values() if one], machine())
    with whole_file(results / "results" / "latest.json") as part:
        part.write_text(json.dumps(document, indent=2) + "\n")
    missing = [name for name, one in kept.items() if one is None]
    if has_picture(document):
        with whole_file(results / "costs.svg") as part:
            subprocess.run([BASELINE, BENCH / "picture.py", results / "results" / "latest.json", part], check=True)
    with whole_file(results / "RESULTS.md") as part:
        part.write_text(page(document, (BENCH / "remarks.md").read_text(), missing))
    still = f"; still to be measured: {', '.join(missing)}" if missing else ""
    click.echo(f"{results / 'RESULTS.md'}: written{still}")


if __name__ == "__main__":
    try:
        with cancellable():
            main(prog_name="make bench")
    except CancelledError as cancelled:
        sys.exit(cancelled.exit_code)
