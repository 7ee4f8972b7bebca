from hypothesis import given
from hypothesis import strategies as st

from kfp_azureml.azureml.rollout.traffic_shares import format_traffic, with_share, without

NEW = "new"
NAMES = st.text("abcdefghij", min_size=1, max_size=3)


@st.composite
def traffics(draw: st.DrawFn) -> dict[str, int]:
    """Traffic of one to ten deployments, some of them with none: percentages that add up to 100."""
    names = draw(st.lists(NAMES, min_size=1, max_size=10, unique=True))
    cuts = sorted(draw(st.lists(st.integers(0, 100), min_size=len(names) - 1, max_size=len(names) - 1)))
    shares = [end - begin for begin, end in zip([0, *cuts], [*cuts, 100], strict=True)]
    return dict(zip(names, shares, strict=True))


@given(before=traffics(), share=st.integers(0, 100))
def test_a_share_is_given_and_the_others_keep_their_proportions(before, share):
    after = with_share(before, NEW, share)
    assert all(type(percent) is int and percent > 0 for percent in after.values())
    assert sum(after.values()) == 100
    assert after.get(NEW, 0) == share
    for name, percent in before.items():
        assert abs(after.get(name, 0) - percent * (100 - share) / 100) < 1
        for other, less in before.items():
            if percent > less:
                assert after.get(name, 0) >= after.get(other, 0)
    # In the order they had, the new one last.
    assert list(after) == [name for name in (*before, NEW) if name in after]


@given(before=traffics(), first=st.integers(1, 99), second=st.integers(0, 100))
def test_what_the_deployment_itself_had_before_does_not_count(before, first, second):
    others = {name: share for name, share in with_share(before, NEW, first).items() if name != NEW}
    assert with_share({**others, NEW: first}, NEW, second) == with_share(others, NEW, second)


@given(names=st.lists(NAMES, max_size=3, unique=True), share=st.integers(0, 100))
def test_without_others_it_gets_everything(names, share):
    assert with_share(dict.fromkeys(names, 0), NEW, share) == {NEW: 100}
    assert with_share({NEW: 40}, NEW, share) == {NEW: 100}


def test_what_rounding_takes_away_goes_to_those_that_lost_most():
    assert with_share({"a": 33, "b": 33, "c": 34}, NEW, 10) == {"a": 30, "b": 30, "c": 30, NEW: 10}
    assert with_share({"a": 50, "b": 50}, NEW, 5) == {"a": 48, "b": 47, NEW: 5}
    assert with_share({"b": 50, "a": 50}, NEW, 5) == {"b": 47, "a": 48, NEW: 5}
    assert with_share({"a": 90, "b": 10}, NEW, 98) == {"a": 2, NEW: 98}


@given(before=traffics(), share=st.integers(0, 100))
def test_a_share_that_is_taken_away_again_leaves_what_was_before(before, share):
    before = {name: percent for name, percent in before.items() if percent}
    assert without(with_share(before, NEW, share), NEW, before) == before


@given(before=traffics(), now=traffics(), share=st.integers(1, 99))
def test_others_that_were_moved_meanwhile_keep_the_proportions_they_have_now(before, now, share):
    left = without(with_share(now, NEW, share), NEW, before)
    assert sum(left.values()) == 100
    assert NEW not in left
    for name, percent in now.items():
        # Twice rounded, at first to whole parts of what was left.
        assert abs(left.get(name, 0) - percent) <= 1 + 100 / (100 - share)


def test_a_share_that_the_deployment_had_before_is_given_back_to_it():
    assert without({"blue": 10, NEW: 90}, NEW, {"blue": 50, NEW: 50}) == {"blue": 50, NEW: 50}
    assert without({NEW: 100}, NEW, {"blue": 50, NEW: 50}) == {"blue": 50, NEW: 50}


def test_a_traffic_in_words():
    assert format_traffic({"v1": 90, "v2": 10}) == "v1 90 %, v2 10 %"
    assert format_traffic({}) == "none"
