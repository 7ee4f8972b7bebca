"""A run in a workspace: say what it costs, ask, test, remove what it created, write down what Azure answered.

    make test-azure LEVEL=read|register|endpoint|clean-up [YES=1] [EMULATOR=1]

docs/azureml.md has the variables. Credentials: AZ_SUBSCRIPTION_ID with AZ_TENANT_ID, AZ_CLIENT_ID and AZ_CLIENT_SECRET,
workload identity, or `az login`.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from azure_leftovers import remove_all
from azure_place import Place, Run, leftover_hours, place_from, run_from
from azure_plan import CLEAN_UP, Level, PriceError, look_up_price, plan
from azureml_jobs import emulator_with_images
from azureml_traffic import Traffic, recording
from kfp_azureml.azureml_pipelines.connection import allow_conditions, connect
from kfp_azureml.runtime.errors import KfpAzuremlError, first_line

TESTS = Path(__file__).parent
RECORDINGS = Path(os.environ.get("AZURE_TEST_RECORDINGS") or TESTS.parents[1] / "dist" / "azure-traffic")
REFUSED, INTERRUPTED, LEFT = 2, 130, 3  # exit codes


class Signals:
    """Makes SIGINT, SIGTERM and SIGHUP end the tests, and lets none of them disturb the cleanup."""

    def __init__(self) -> None:
        self._is_cleaning_up = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._received)

    def hold_off(self) -> None:
        """From now on only say that the cleanup is running."""
        self._is_cleaning_up = True

    def _received(self, number: int, _frame: object) -> None:
        if not self._is_cleaning_up:
            raise KeyboardInterrupt(signal.Signals(number).name)
        say("removing what this run created, please wait")


class RunPlugin:
    """Gives pytest the workspace, and the traffic the name of the running test."""

    def __init__(self, place: Place, client: Any, traffic: Traffic) -> None:
        self._place, self._client, self._traffic = place, client, traffic

    @pytest.fixture
    def place(self) -> Place:
        return self._place

    @pytest.fixture
    def client(self) -> Any:
        return self._client

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self._traffic.where = item.nodeid


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="make test-azure", description=__doc__)
    parser.add_argument("level", choices=[*Level, CLEAN_UP])
    parser.add_argument("--emulator", action="store_true", help="use the Azure ML emulator")
    parser.add_argument("--yes", action="store_true", help="consent to what is created")
    options = parser.parse_args(arguments)
    signals = Signals()
    allow_conditions()
    try:
        with local_place() if options.emulator else real_place(options.level) as place:
            if options.level == CLEAN_UP:
                return clean_up(connect(**place.names), place.run)
            return spend(Level(options.level), place, signals, is_agreed=options.yes)
    except (ValueError, PriceError, KfpAzuremlError) as error:
        say(f"error: {first_line(error)}")
        return REFUSED
    except KeyboardInterrupt:
        say("interrupted")
        return INTERRUPTED


@contextmanager
def local_place() -> Iterator[Place]:
    with emulator_with_images() as info:
        os.environ.update(info.environment)
        yield Place({"resource_group": info.resource_group, "workspace": info.workspace}, run_from(), is_local=True)


@contextmanager
def real_place(level: str) -> Iterator[Place]:
    yield place_from(run_from(), needs_images=level == Level.ENDPOINT)


def spend(level: Level, place: Place, signals: Signals, *, is_agreed: bool) -> int:
    """Say what will be created, and with the user's consent do it; return the exit code."""
    traffic = Traffic([*place.names.values(), place.run.prefix, place.registry.split("/")[0].split(".")[0]])
    traffic.where = "tests/azure/day.py"
    with recording(traffic):
        client = connect(**place.names)
        region = str(client.workspaces.get(place.names["workspace"]).location)
        price = None
        if level is Level.ENDPOINT and not place.is_local:
            price = look_up_price(place.instance_type, region, os.environ.get("AZURE_TEST_HOURLY_PRICE", ""))
        for line in plan(level, place, region, price):
            say(line)
        if level.creates and not place.is_local and not (is_agreed or agrees()):
            say("error: nothing was created: this needs your consent, YES=1 or `yes` on a terminal")
            return REFUSED
        code: int = pytest.ExitCode.INTERRUPTED
        left: list[str] = []
        try:
            if level.creates:
                remove_old(client, place.run)
            code = run_tests(level, RunPlugin(place, client, traffic))
        finally:
            signals.hold_off()
            traffic.where = "tests/azure/day.py"
            if level.creates:
                left = remove_all(client, lambda run: run.prefix == place.run.prefix, say)
            # Here, since a second signal while pytest ends leaves this block with an exception.
            write(traffic, f"{'emulator' if place.is_local else 'azure'}-{level}", code)
    for line in left:
        say(f"error: not removed: {line}; make test-azure LEVEL={CLEAN_UP} tries again")
    if code == pytest.ExitCode.INTERRUPTED:
        return INTERRUPTED
    return code or (LEFT if left else 0)


def clean_up(client: Any, own: Run) -> int:
    """Remove what this run, by its prefix, and old ones left; return the exit code."""
    hours = leftover_hours()
    left = remove_all(client, lambda run: run.prefix == own.prefix or run.hours() >= hours, say)
    for line in left:
        say(f"error: not removed: {line}")
    say("nothing else of these tests is left" if not left else "some resources are left")
    return LEFT if left else 0


def remove_old(client: Any, own: Run) -> None:
    hours = leftover_hours()
    for line in remove_all(client, lambda run: run.prefix != own.prefix and run.hours() >= hours, say):
        say(f"not removed: {line}")


def run_tests(level: Level, plugin: RunPlugin) -> int:
    files = [str(TESTS / name) for name in level.tests]
    # The emulator's plugin for pytest is loaded too, of a package that runs already.
    quiet = ["-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"]
    return int(pytest.main(["-v", "-p", "no:cacheprovider", *quiet, *files], plugins=[plugin]))


def write(traffic: Traffic, name: str, code: int) -> None:
    """Write the traffic; that of an interrupted run beside an earlier whole one."""
    path = RECORDINGS / f"{name}{'' if code in (0, 1) else '-interrupted'}.jsonl"
    traffic.write(path)
    say(f"traffic, without ids, names and secrets: {path}")


def agrees() -> bool:
    """Ask on the terminal."""
    if not sys.stdin.isatty():
        return False
    print("Type yes to go on: ", end="", flush=True)  # noqa: T201
    return sys.stdin.readline().strip() == "yes"


def say(line: str) -> None:
    """Print a line; a terminal that was closed does not stop the cleanup."""
    with suppress(OSError):
        print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
