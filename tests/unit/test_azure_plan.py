"""The plan of `make test-azure`: what is created, its price, and an upper bound; names, tags and ages of runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import requests

from azure_place import RUN_TAG, Place, Run, run_from, run_of_tags
from azure_plan import Level, Price, PriceError, look_up_price, machine_hours, plan

RUN = Run("kfpaz1a2b3c4d", datetime(2026, 11, 28, 3, 4, 5, tzinfo=UTC))
PLACE = Place({"resource_group": "g", "workspace": "w"}, RUN)


class Answer:
    """An answer of the price list, in the form of its documentation."""

    def __init__(self, *items: dict[str, Any], status: int = 200) -> None:
        self.items, self.status = items, status

    def raise_for_status(self) -> None:
        if self.status >= 400:
            raise requests.HTTPError

    def json(self) -> Any:
        return {"BillingCurrency": "USD", "Items": list(self.items), "NextPageLink": None}


def item(price: float, product: str = "Virtual Machines DSv2 Series", unit: str = "1 Hour") -> dict[str, Any]:
    return {"retailPrice": price, "productName": product, "unitOfMeasure": unit, "armSkuName": "Standard_DS3_v2"}


def test_the_price_is_the_highest_of_linux() -> None:
    asked: list[Any] = []

    def get(url: str, **options: Any) -> Answer:
        asked.append((url, options["params"]))
        return Answer(
            item(0.05), item(0.29), item(0.5, "Virtual Machines DSv2 Series Windows"), item(200.0, unit="1 Year")
        )

    price = look_up_price("Standard_DS3_v2", "westeurope", get=get)
    assert price == Price(0.29, f"https://prices.azure.com/api/retail/prices, {datetime.now(UTC).date()}")
    query = "armRegionName eq 'westeurope' and armSkuName eq 'Standard_DS3_v2' and priceType eq 'Consumption'"
    assert asked == [("https://prices.azure.com/api/retail/prices", {"$filter": query})]


@pytest.mark.parametrize(
    "answer",
    [Answer(), Answer(status=503), requests.ConnectionError()],
    ids=["nothing found", "503", "no connection"],
)
def test_an_unknown_price_is_one_line_that_says_how_to_give_it(answer: Any) -> None:
    def get(*_: Any, **__: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    with pytest.raises(PriceError, match=r"AZURE_TEST_HOURLY_PRICE=0\.30") as raised:
        look_up_price("Standard_DS3_v2", "westeurope", get=get)
    assert "\n" not in str(raised.value)


def test_a_given_price_is_used_and_has_to_be_a_number() -> None:
    assert look_up_price("x", "y", "0.25").hourly == 0.25
    with pytest.raises(PriceError, match="'cheap' is not a number"):
        look_up_price("x", "y", "cheap")


def test_the_first_level_creates_nothing() -> None:
    text = "\n".join(plan(Level.READ, PLACE, "westeurope", None))
    assert "Creates nothing" in text
    assert RUN.prefix not in text


def test_a_plan_names_all_that_is_created_and_the_most_it_can_cost() -> None:
    text = "\n".join(plan(Level.ENDPOINT, PLACE, "westeurope", Price(0.3, "the list, 2026-11-28")))
    for kind in ("model", "environment", "data", "components", "endpoint", "job"):
        assert f"  {kind} " in text
    assert text.count(RUN.prefix) >= 7
    assert "Standard_DS3_v2: 0.3 USD per hour (the list, 2026-11-28)" in text
    assert f"costs at most {0.3 * machine_hours():.2f} USD" in text


def test_levels_include_the_one_before() -> None:
    levels = [level.tests for level in Level]
    assert all(set(one) < set(other) for one, other in pairwise(levels))
    assert [level.creates for level in Level] == [False, True, True]


def test_a_run_is_recognised_by_its_tag() -> None:
    assert run_of_tags(RUN.tags) == RUN
    assert RUN.tags == {RUN_TAG: "kfpaz1a2b3c4d 2026-11-28T03:04:05Z"}
    for tags in (
        None,
        {},
        {RUN_TAG: None},
        {RUN_TAG: ""},
        {RUN_TAG: "mine 2026-11-28T03:04:05Z"},
        {RUN_TAG: RUN.prefix},
    ):
        assert run_of_tags(tags) is None  # type: ignore[arg-type]


def test_a_run_has_an_age_and_a_version_of_its_own() -> None:
    assert Run(RUN.prefix, datetime.now(UTC) - timedelta(hours=7)).hours() == pytest.approx(7, abs=0.1)
    assert RUN.version == f"0.0.0.dev{int('1a2b3c4d', 36)}"
    assert run_from({}).prefix != run_from({}).prefix
    assert run_from({"AZURE_TEST_PREFIX": "kfpaz123456789011"}).prefix == "kfpaz123456789011"
    with pytest.raises(ValueError, match="give kfpaz and 6 to 14"):
        run_from({"AZURE_TEST_PREFIX": "mine"})
