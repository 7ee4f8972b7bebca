"""What `make test-azure` will do in a workspace, and what that costs at most."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import requests

from azure_place import RUN_TAG, Place

TEST_MINUTES = 100
"""Time limit of each test that uses machines."""
_CLEANUP_MINUTES = 30
_ENDPOINT_MACHINES = 3  # the live deployment, its successor, and the one that is rejected
_JOB_MACHINES = 2  # steps of the pipeline that run at the same time
_PRICES = "https://prices.azure.com/api/retail/prices"
_PRICE_PAGE = "https://azure.microsoft.com/pricing/details/machine-learning/"


CLEAN_UP = "clean-up"
"""Beside the levels: only removes what earlier runs left."""


class Level(StrEnum):
    """How far a run goes; each includes the one before."""

    READ = "read"
    REGISTER = "register"
    ENDPOINT = "endpoint"

    @property
    def creates(self) -> bool:
        """Whether it creates anything."""
        return self is not Level.READ

    @property
    def tests(self) -> tuple[str, ...]:
        """The test files of this level, in their order."""
        files = ("test_read.py", "test_register.py", "test_roll_out.py", "test_pipeline_job.py")
        return files[: {Level.READ: 1, Level.REGISTER: 2, Level.ENDPOINT: 4}[self]]


@dataclass(frozen=True)
class Price:
    """The price of a machine.

    Attributes:
        hourly: USD per hour.
        source: Where it is from, with the date.
    """

    hourly: float
    source: str


class PriceError(Exception):
    """The price of a machine is not known."""


def look_up_price(size: str, region: str, given: str = "", get: Callable[..., Any] = requests.get) -> Price:
    """Return the list price of a Linux machine; the highest if there are several meters.

    Args:
        size: VM size.
        region: Azure region.
        given: Price that the user gave instead, in USD per hour.
        get: Sends a GET request.

    Raises:
        PriceError: If it is not found, or the given one is not a number.
    """
    today = datetime.now(UTC).date()
    if given:
        try:
            return Price(float(given), f"AZURE_TEST_HOURLY_PRICE, {today}")
        except ValueError:
            raise PriceError(f"AZURE_TEST_HOURLY_PRICE {given!r} is not a number of USD per hour") from None
    query = f"armRegionName eq '{region}' and armSkuName eq '{size}' and priceType eq 'Consumption'"
    try:
        answer = get(_PRICES, params={"$filter": query}, timeout=30)
        answer.raise_for_status()
        items = answer.json()["Items"]
    except (requests.RequestException, ValueError, KeyError) as error:
        raise PriceError(_unknown(size, region, type(error).__name__)) from error
    hourly = [
        float(item["retailPrice"])
        for item in items
        if item.get("unitOfMeasure") == "1 Hour" and "Windows" not in str(item.get("productName"))
    ]
    if not hourly:
        raise PriceError(_unknown(size, region, "it has none"))
    return Price(max(hourly), f"{_PRICES}, {today}")


def plan(level: Level, place: Place, region: str, price: Price | None) -> Iterator[str]:
    """Return what a run will create and what that costs, as lines.

    Args:
        level: How far it goes.
        place: The workspace.
        region: The workspace's region.
        price: Price of the machines; None if it uses none, or local ones.
    """
    prefix = place.run.prefix
    names = place.names
    yield f"Workspace {names['workspace']} in resource group {names['resource_group']}, {region}; level {level}."
    if level is Level.READ:
        yield "Creates nothing, changes nothing and costs nothing: about 14 GET requests."
        return
    yield f"Creates, each with tag {RUN_TAG}, and removes at the end, on Ctrl-C and SIGTERM too:"
    yield from (f"  {line}" for line in _created(level, place))
    yield (
        "Models, environments, components, data and jobs cannot be deleted: they are archived. What has no tag stays: "
        f"code and a few MB of files of {prefix}"
        + (", and environment kfp-azureml-serving, which later rollouts use." if level is Level.ENDPOINT else ".")
    )
    yield from _cost(level, place, price)


def _created(level: Level, place: Place) -> Iterator[str]:
    prefix, size = place.run.prefix, place.instance_type
    yield f"model        {prefix}-registered, 2 versions"
    yield f"environment  {prefix}-environment (not built)"
    yield f"data         {prefix}-data"
    yield f"components   the suite's, version {place.run.version}"
    if level is Level.ENDPOINT:
        yield f"model        {prefix}-model, 4 versions"
        yield f"endpoint     {prefix}-endpoint, managed, with up to {_ENDPOINT_MACHINES} deployments of one {size} each"
        yield f"data         {prefix}-slice"
        machines = f"up to {_JOB_MACHINES} {size}" if place.compute == "serverless" else "its machines"
        yield f"job          in experiment {prefix}-job, a pipeline of 4 steps on {place.compute}, {machines} at a time"


def _cost(level: Level, place: Place, price: Price | None) -> Iterator[str]:
    if place.is_local:
        yield "Costs nothing: the Azure ML emulator."
    elif level is Level.REGISTER:
        yield "Costs less than 0.01 USD: a few MB of storage, no machines."
    elif price:
        hours, machines = machine_hours(), _ENDPOINT_MACHINES + _JOB_MACHINES
        yield (
            f"{place.instance_type}: {price.hourly:g} USD per hour ({price.source}). Takes about 90 minutes and costs "
            f"at most {hours * price.hourly:.2f} USD plus image builds: {machines} machines, {hours:.1f} machine hours "
            "with all time limits used up."
        )


def machine_hours() -> float:
    """Return the most machine hours that a run with an endpoint can take."""
    endpoint = TEST_MINUTES * 2 + _CLEANUP_MINUTES  # it is there while the job runs
    job = TEST_MINUTES + _CLEANUP_MINUTES
    return (endpoint * _ENDPOINT_MACHINES + job * _JOB_MACHINES) / 60


def _unknown(size: str, region: str, why: str) -> str:
    return (
        f"{size} in {region}: the price cannot be read from {_PRICES} ({why}); look it up at {_PRICE_PAGE} and give "
        "it in USD: AZURE_TEST_HOURLY_PRICE=0.30"
    )
