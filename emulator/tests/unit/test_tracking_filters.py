"""Our filters find what MLflow's own search finds: every comparison, on runs with values that are easily mixed up."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.entities import LifecycleStage, Metric, Param, Run, RunData, RunInfo, RunTag
from mlflow.utils.search_utils import SearchUtils

from azureml_emulator.tracking import filters
from azureml_emulator.tracking.entities import RUN_ATTRIBUTES
from azureml_emulator.tracking.errors import MlflowError

Record = dict[str, dict[str, Any]]
TEXTS = ["", "x", "X", "xy", "yx", "x_", "x%y", "a\nb", ".*"]
NUMBERS = [-1.5, 0.0, 1.0, 2.0, 1e10]
STATUSES = ["RUNNING", "FINISHED"]
ORDERS = ["=", "!=", ">", ">=", "<", "<="]
LIKES = ["=", "!=", "LIKE", "ILIKE", "iLike"]
QUOTED = ["'x'", '"x"', "'X'", "'x%'", "'%y'", "'x_'", "'_x'", "'%'", "''", "'.*'", "'x.'"]


def record(number: int, text: str, value: float) -> Record:
    return {
        "metrics": {"a": value, "b c": -value},
        "params": {"a": text, "d.e": "x"} if number % 3 else {},
        "tags": {"a": text, "d.e": "x"},
        "attributes": {"status": STATUSES[number % 2], "start_time": number % 4, "run_id": "rst"[number % 3]},
    }


RECORDS = [record(number, text, value) for number, (text, value) in enumerate(itertools.product(TEXTS, NUMBERS))]
CLAUSES = [
    *(f"metrics.{name} {order} {value}" for name in ("a", "`b c`", '"b c"') for order in ORDERS for value in NUMBERS),
    *(f"{kind}.a {like} {text}" for kind in ("params", "tag", "parameter") for like in LIKES for text in QUOTED),
    *(f"{name} {order} {value}" for name in ("start_time", "attr.created") for order in ORDERS for value in range(4)),
    *(f"attributes.status {like} {text}" for like in LIKES for text in ("'RUNNING'", "'run%'", "'R%'")),
    "attributes.run_id IN ('r', 's')",
    "run_id not in ('r')",
    "run.run_id = 'r'",
    "params.d.e = 'x'",
    "tags.`d.e` = 'x'",
    "tags.none = 'x'",
    "tags.none != 'x'",
]


def as_mlflow(shown: Record) -> Run:
    attributes = shown["attributes"]
    info = RunInfo(
        attributes["run_id"], "0", "user", attributes["status"], attributes["start_time"], None, LifecycleStage.ACTIVE
    )
    data = RunData(
        [Metric(name, value, 0, 0) for name, value in shown["metrics"].items()],
        [Param(*item) for item in shown["params"].items()],
        [RunTag(*item) for item in shown["tags"].items()],
    )
    return Run(info, data)


RUNS = [as_mlflow(shown) for shown in RECORDS]


def found(text: str) -> list[Run]:
    clauses = filters.parse_filter(text, RUN_ATTRIBUTES)
    return [run for run, shown in zip(RUNS, RECORDS, strict=True) if filters.matches(clauses, shown)]


@pytest.mark.parametrize("clause", CLAUSES)
def test_one_comparison(clause: str) -> None:
    assert found(clause) == SearchUtils.filter(RUNS, clause)


@settings(max_examples=100)
@given(st.lists(st.sampled_from(CLAUSES), min_size=2, max_size=3), st.sampled_from([" and ", " AND ", "  aNd\n"]))
def test_several_comparisons(clauses: list[str], joint: str) -> None:
    text = joint.join(clauses)

    assert found(text) == SearchUtils.filter(RUNS, text)


def test_no_filter_finds_all() -> None:
    assert found(" ") == RUNS


@settings(max_examples=200)
@given(
    st.lists(st.sampled_from(RECORDS), max_size=6),
    st.lists(
        st.tuples(
            st.sampled_from(["metrics.a", "params.`d.e`", "params.a", "tags.a", "start_time"]),
            st.sampled_from(["", " ASC", " desc"]),
        ),
        max_size=2,
    ),
)
def test_orders(chosen: list[Record], parts: list[tuple[str, str]]) -> None:
    order_by = ["".join(part) for part in parts]
    shown = [
        {**each, "attributes": {**each["attributes"], "run_id": f"{number:02}"}} for number, each in enumerate(chosen)
    ]

    expected = [run.info.run_id for run in SearchUtils.sort([as_mlflow(each) for each in shown], order_by)]

    ours = filters.sort(shown, order_by, RUN_ATTRIBUTES, ["start_time DESC", "run_id ASC"])
    assert [each["attributes"]["run_id"] for each in ours] == expected


def test_what_is_not_a_number_comes_last() -> None:
    shown: list[filters.Record] = [
        {"metrics": {"a": value}, "params": {}, "tags": {}, "attributes": {"run_id": str(number)}}
        for number, value in enumerate((float("nan"), 1.0, float("inf"), float("-inf")))
    ]

    def order(direction: str) -> list[str]:
        ordered = filters.sort(shown, [f"metrics.a {direction}"], RUN_ATTRIBUTES, [])
        return [each["attributes"]["run_id"] for each in ordered]

    assert order("ASC") == ["3", "1", "2", "0"]
    assert order("DESC") == ["2", "1", "3", "0"]


@pytest.mark.parametrize(
    "text",
    [
        "metrics.a",
        "metrics.a = 'x'",
        "metrics.a LIKE 1",
        "params.a = 1",
        "params.a > 'x'",
        "tags.a IN ('x')",
        "status = RUNNING",
        "nothing = 'x'",
        "metrics.a = 1 or metrics.a = 2",
        "metrics.a = 1 metrics.a = 2",
        "and metrics.a = 1",
        "metrics.a = 1 and",
        "metrics.a = 1; metrics.a = 2",
        "run_id IN 'r'",
        "run_id IN ()",
        "stuff.a = 'x'",
    ],
)
def test_what_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(MlflowError):
        filters.parse_filter(text, RUN_ATTRIBUTES)


@pytest.mark.parametrize("order", ["", "metrics.a UP", "nothing", "stuff.a"])
def test_an_order_that_cannot_be_read_is_refused(order: str) -> None:
    with pytest.raises(MlflowError):
        filters.sort([], [order], RUN_ATTRIBUTES, [])
