"""A changed answer is reported: each recorded fact, once broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import facts
from comparison import differences
from exchange import Exchange, exchange
from facts import Facts, collect
from player import Played
from report import Meant, compare
from situation import ANSWERED, CREATED, MISSING, PAGE, REPLACED, RUNNING

WORKSPACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
ENDPOINT = f"https://management.azure.com{WORKSPACE}/onlineEndpoints/e"
OPERATION = "https://management.azure.com/subscriptions/s/providers/Microsoft.MachineLearningServices/locations/l"
HEADERS = {
    "Azure-AsyncOperation": f"{OPERATION}/mfeOperationsStatus/oe:1:2?api-version=1",
    "Location": f"{ENDPOINT}?api-version=1",
    "x-ms-async-operation-timeout": "PT30M",
}
Change = Callable[[Exchange], Exchange]


def created(*, year: int = 2023, times: int = 10, status: int = 201, **properties: Any) -> Exchange:
    body = {
        "id": f"{WORKSPACE}/onlineEndpoints/e",
        "kind": "Managed",
        "properties": {"provisioningState": "Creating", "scoringUri": None, "traffic": {"blue": 1}, **properties},
        "tags": {"<key>": "<value>"},
    }
    return exchange("PUT", f"{ENDPOINT}?api-version=1", status, HEADERS, body, year=year, times=times)


def missing(code: str = "ResourceNotFound", **more: Any) -> Exchange:
    error = {"code": code, "message": "not found", **more}
    return exchange("GET", ENDPOINT, 404, {}, {"error": error}, year=2022)


def found(recorded: list[Exchange], answer: Exchange, situation: str) -> list[str]:
    return [difference.what for difference in differences(collect(recorded), answer, situation)]


def with_header(name: str, value: str | None) -> Change:
    def change(answer: Exchange) -> Exchange:
        headers = {**answer.headers, name: value}
        return replace(answer, headers={key: each for key, each in headers.items() if each is not None})

    return change


def with_body(path: str, value: Any) -> Change:
    """Set or, with ..., remove what is at a path of the body."""

    def change(answer: Exchange) -> Exchange:
        def changed(body: dict[str, Any], keys: list[str]) -> dict[str, Any]:
            first, *rest = keys
            inner = changed(body[first], rest) if rest else value
            return {key: each for key, each in {**body, first: inner}.items() if each is not ...}

        return replace(answer, body=changed(answer.body, path.split(".")))

    return change


def test_a_recorded_answer_does_not_differ() -> None:
    assert found([created()], created(), CREATED) == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda answer: replace(answer, status=200), "status is 200, recorded 201 (10 times, 2023)"),
        (with_header("retry-after", "1"), "header retry-after is given, recorded absent"),
        (with_header("location", f"{OPERATION}/mfeOperationResults/oe:1:2"), "recorded itself"),
        (with_header("azure-asyncoperation", None), "header azure-asyncoperation is absent"),
        (with_header("azure-asyncoperation", f"{OPERATION}/mfeOperationsStatus/1"), "recorded mfeOperationsStatus/oe"),
        (with_header("x-ms-async-operation-timeout", "PT1H"), "is PT1H, recorded PT30M"),
        (with_header("etag", "1"), "header etag is given"),
        (with_body("properties.scoringUri", ...), "properties.scoringUri is missing"),
        (with_body("properties.color", "red"), "properties.color was never recorded"),
        (with_body("properties.scoringUri", "https://e"), "properties.scoringUri is url, recorded null"),
        (with_body("id", "e"), "id is string, recorded id"),
        (with_body("properties.provisioningState", "creating"), "is 'creating', recorded Creating"),
        (with_body("properties.provisioningState", "Succeeded"), "is 'Succeeded', recorded Creating"),
        (with_body("properties", []), "properties is list, recorded object"),
        (with_body("kind", ...), "kind is not told, recorded Managed"),
        (lambda answer: replace(answer, body=None), "kind is not told, recorded Managed"),
    ],
)
def test_a_changed_answer_is_reported(change: Change, what: str) -> None:
    (told,) = found([created()], change(created()), CREATED)
    assert what in told


@pytest.mark.parametrize("change", [with_body("tags", {"a": "b", "c": "d"}), with_body("properties.traffic", {})])
def test_names_that_users_choose_do_not_count(change: Change) -> None:
    assert found([created()], change(created()), CREATED) == []


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (missing("NotFound"), "error is NotFound, recorded ResourceNotFound"),
        (missing(target="e"), "error.target was never recorded"),
        (missing(details=[{"code": "ModelNotFound"}]), "error is ResourceNotFound > ModelNotFound"),
        (missing(additionalInfo=[{"type": "ComponentName"}]), "error is ResourceNotFound [ComponentName]"),
        (exchange("GET", ENDPOINT, 200, {}, {}), "status is 200, recorded 404"),
    ],
)
def test_another_error_is_reported(answer: Exchange, what: str) -> None:
    assert any(what in told for told in found([missing()], answer, MISSING))


def test_the_states_of_an_operation_are_compared_in_their_order() -> None:
    def status(state: str, **more: str) -> Exchange:
        return exchange("GET", f"{OPERATION}/mfeOperationsStatus/oe:1:2", 200, {}, {"status": state, **more}, year=2023)

    recorded = [status("Updating"), status("Succeeded", endTime="2023-01-01T00:00:00Z")]
    assert found(recorded, status("Updating"), RUNNING) == []
    assert found(recorded, status("InProgress"), RUNNING) == ["status is 'InProgress', recorded Updating"]
    assert found(recorded, status("Updating", endTime="2023-01-01T00:00:00Z"), RUNNING) == [
        "endTime was never recorded"
    ]


def test_the_form_of_a_page_is_compared() -> None:
    def page(query: str) -> Exchange:
        link = f"https://management.azure.com{WORKSPACE}/models?{query}"
        url = f"https://management.azure.com{WORKSPACE}/models"
        return exchange("GET", url, 200, {}, {"value": [], "nextLink": link}, year=2023)

    assert found([page("$skipToken=<token>")], page("api-version=1&$skipToken=5"), PAGE) == []
    (told,) = found([page("$skipToken=<token>")], page("$skip=5"), PAGE)
    assert "nextLink is $skip, recorded $skipToken" in told


def test_the_recent_recordings_say_what_an_answer_must_have() -> None:
    old, new = created(year=2022, times=1000, gone=1), created(added=1)
    assert found([old, new], created(added=1), CREATED) == []
    assert found([old, new], created(gone=1), CREATED) == ["properties.added is missing"]


def test_a_recent_spelling_is_the_right_one() -> None:
    recorded = [created(year=2022, mode="off", tier="Old"), created(mode="Off", tier="New")]
    assert found(recorded, created(mode="off", tier="Old"), CREATED) == ["properties.mode is 'off', recorded Off"]


def test_a_recent_update_tells_more_than_an_old_one() -> None:
    old = created(status=200, year=2022, provisioningState="Succeeded")
    assert found([created(), old], old, REPLACED) == []
    (told,) = found([created(), created(provisioningState="Updating"), old], old, REPLACED)
    assert told.startswith("status is 200, recorded 201")


def test_a_rare_old_answer_does_not_count() -> None:
    recorded = [created(), created(year=2022, times=3)]
    recorded[1] = with_header("retry-after", "1")(recorded[1])
    (told,) = found(recorded, recorded[1], CREATED)
    assert told.startswith("header retry-after is given")


def test_a_resource_is_known_from_all_its_operations() -> None:
    old = exchange("GET", ENDPOINT, 200, {}, created(gone=1).body, year=2022)
    answer = exchange("GET", ENDPOINT, 200, {}, created(added=1).body)
    told = ["properties.added was never recorded", "properties.gone is missing"]
    assert found([old], answer, ANSWERED) == told
    assert found([old, created(added=1)], answer, ANSWERED) == []
    listed = exchange("GET", ENDPOINT.removesuffix("/e"), 200, {}, {"value": [created(added=1).body]}, year=2023)
    assert found([old, listed], answer, ANSWERED) == []


def test_meant_differences_are_taken_out_and_stale_ones_found() -> None:
    played = [Played(replace(created(), status=200), CREATED)]
    meant = Meant("PUT WS/onlineEndpoints/{endpoint}", "status is 200*", "because")
    stale = Meant("*", "header etag is given*", "because")

    assert len(compare(collect([created()]), played, []).unexpected) == 1
    report = compare(collect([created()]), played, [meant, stale])
    assert (report.unexpected, report.stale) == ((), (stale,))


def test_an_operation_that_is_not_emulated_is_no_difference() -> None:
    report = compare(collect([created()]), [Played(replace(created(), status=501), CREATED)], [])
    assert report.unexpected == ()
    assert report.not_emulated == ("PUT WS/onlineEndpoints/{endpoint}",)


def test_facts_survive_their_file(tmp_path: Any) -> None:
    recorded = collect([created(), created(year=2022, old={"a": [1, None]}), missing()])
    facts.save(recorded, tmp_path / "facts.json")
    assert facts.load(tmp_path / "facts.json") == recorded


def test_recordings_are_added_in_any_order() -> None:
    rows = [created(), created(year=2022, a={"b": 1}), created(a={"c": 1}), created(a=None), missing()]
    together = collect(rows)
    for cut in range(len(rows)):
        parts: list[dict[facts.Case, Facts]] = [collect(rows[cut:]), collect(rows[:cut])]
        assert facts.merge(pair for part in parts for pair in part.items()) == together
