"""The mark of an unfinished roll-out: what is written is read again, what others write is left alone."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfp_azureml.azureml.rollout.marker import (
    DEPLOYMENT,
    ENDPOINT,
    MAX_TAG_LENGTH,
    TAG_PREFIX,
    Marker,
    find_marker,
    read_markers,
)
from kfp_azureml.runtime.errors import DeploymentError

NAMES = st.text("abc-1", min_size=3, max_size=12)
MARKERS = st.builds(
    Marker,
    deployment=NAMES,
    run_id=st.uuids().map(str) | st.just("") | st.text(max_size=5),
    before=st.dictionaries(NAMES, st.integers(1, 100), max_size=3),
    made=st.sampled_from([(), (DEPLOYMENT,), (ENDPOINT, DEPLOYMENT)]),
    since=st.integers(0, 2**33),
)
MARKER = Marker("green", "run-7", {"blue": 90, "teal": 10}, (DEPLOYMENT,), 1_700_000_000)


@given(MARKERS)
def test_what_is_written_is_read_again(marker):
    assert len(marker.value) <= MAX_TAG_LENGTH
    assert read_markers({"owner": "shop", marker.tag: marker.value}) == [marker]


def test_the_tag_says_what_it_is():
    assert MARKER.tag == "kfp_azureml.rollout.green"
    assert json.loads(MARKER.value) == {
        "run": "run-7",
        "before": {"blue": 90, "teal": 10},
        "made": ["deployment"],
        "since": 1_700_000_000,
    }


def test_each_roll_out_on_an_endpoint_is_found_by_its_deployment():
    other = Marker("teal", "", {}, (), 5)
    tags = {other.tag: other.value, MARKER.tag: MARKER.value}
    assert read_markers(tags) == [other, MARKER]
    assert find_marker(tags, "green") == MARKER
    assert find_marker(tags, "pink") is None
    assert find_marker(None, "green") is None


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        ("owner", MARKER.value),
        ("other.rollout.green", MARKER.value),
        (MARKER.tag, ""),
        (MARKER.tag, "{"),
        (MARKER.tag, None),
        (MARKER.tag, "null"),
        (MARKER.tag, "7"),
        (MARKER.tag, '"text"'),
        (MARKER.tag, "[]"),
        (MARKER.tag, "{}"),
        (MARKER.tag, '{"run": "r", "before": [], "made": [], "since": 1}'),
        (MARKER.tag, '{"run": "r", "before": {"blue": "much"}, "made": [], "since": 1}'),
        (MARKER.tag, '{"run": "r", "before": {}, "made": null, "since": 1}'),
        (MARKER.tag, '{"run": "r", "before": {}, "made": [], "since": "yesterday"}'),
        (MARKER.tag, '{"run": "r", "before": {}, "made": [], "since": Infinity}'),
    ],
)
def test_what_is_no_mark_of_ours_is_passed_over(tag, value):
    assert read_markers({tag: value}) == []
    kept = Marker("pink", "", {}, (), 5)
    assert read_markers({tag: value, kept.tag: kept.value}) == [kept]


@given(st.text() | st.from_regex(r'\{("run"|"before"|"made"|"since"): ?(\d+|"[a-z]*"|\{\}|\[\])\}', fullmatch=True))
def test_whatever_somebody_writes_there_is_no_error(value):
    read_markers({f"{TAG_PREFIX}green": value})


def test_a_traffic_that_no_tag_can_hold_is_refused_in_words():
    many = Marker("green", "run-7", {f"deployment-number-{number}": 10 for number in range(10)}, (), 0)
    with pytest.raises(DeploymentError, match="split among 10 deployments, too many"):
        _ = many.value


def test_the_longest_names_of_three_deployments_fit():
    before = {f"{number}{'x' * 31}": 33 for number in range(3)}
    assert Marker("x" * 32, "0" * 36, before, (ENDPOINT, DEPLOYMENT), 2**33).value
