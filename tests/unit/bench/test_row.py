"""A row of the table and its goal."""

import pytest

from bench.row import Goal, Row, accuracy, alone, at_most, compared
from bench.spread import median_of


def test_a_ratio_is_held_to_its_goal() -> None:
    row = compared("prep: user CPU", "s", [40.0, 44.0, 40.0], [1.0, 1.0, 1.0], at_most(1 / 40, 1 / 60))
    assert row.as_dict() | {"our_values": None, "baseline_values": None} == {
        "name": "prep: user CPU",
        "unit": "s",
        "baseline": 40.0,
        "ours": 1.0,
        "ratio": 1 / 40,
        "target": 1 / 40,
        "met": True,
        "stretch": 1 / 60,
        "stretch_met": False,
        "goal": "ratio at most",
        "ratio_spread": [1 / 44, 1 / 40],
        "baseline_values": None,
        "our_values": None,
        "note": "",
        "images": None,
    }


@pytest.mark.parametrize(("figure", "met"), [(149.9, True), (150.0, True), (150.1, False)])
def test_a_figure_of_ours_may_be_at_most_the_target(figure: float, met: bool) -> None:
    assert alone("rss", "MB", [figure], Goal("ours", "at most", 150)).met is met


@pytest.mark.parametrize(("figure", "met"), [(0.9349, False), (0.935, True), (0.94, True)])
def test_an_accuracy_has_to_be_at_least_the_target_and_all_seeds_are_shown(figure: float, met: bool) -> None:
    row = accuracy("accuracy", [0.9], [figure, figure], Goal("ours", "at least", 0.935, 0.94))
    assert row.met is met
    assert row.stretch_met is (figure >= 0.94)
    assert row.note == f"each seed: {figure:.4f} {figure:.4f}"


def test_the_mean_of_the_seeds_counts_not_their_median() -> None:
    assert accuracy("accuracy", [0.9], [0.9, 0.9, 0.96], Goal("ours", "at least", 0.91)).met


def test_a_row_without_a_goal_is_neither_met_nor_missed() -> None:
    row = compared("wall time", "s", [1.0], [2.0])
    assert (row.met, row.stretch_met, row.as_dict()["target"], row.as_dict()["goal"]) == (None, None, None, None)


def test_a_goal_for_a_ratio_needs_a_baseline() -> None:
    row = Row("lonely", "s", None, median_of([1.0]), None, at_most(1.0))
    with pytest.raises(ValueError, match="row lonely: its goal is a ratio, but there is no baseline"):
        row.as_dict()
