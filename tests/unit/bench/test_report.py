"""The page RESULTS.md."""

from bench.report import page, table
from bench.row import Goal, accuracy, alone, at_most, compared

REMARKS = "## Remarks\n\nNone.\n"
KEPT = [
    {
        "rows": [
            compared("prep", "s", [19.0, 19.0], [0.24, 0.26], at_most(1 / 40, 1 / 90), "idle", images=70_000).as_dict(),
            alone("rss", "MB", [1234.5], Goal("ours", "at most", 150)).as_dict(),
        ],
        "date": "2026-01-02T03:04:05+00:00",
        "seconds": 61.0,
    },
    {
        "rows": [accuracy("accuracy", [0.9], [0.936, 0.938], Goal("ours", "at least", 0.935, 0.94)).as_dict()],
        "date": "2026-01-03T00:00:00+00:00",
        "seconds": 60.0,
    },
]
ROWS = [row for measurement in KEPT for row in measurement["rows"]]


def test_the_table_shows_figures_spread_and_whether_goals_are_met() -> None:
    assert table(ROWS).splitlines()[2:] == [
        "| prep (idle) | s | 19 | 0.25 | 0.01316 (0.01263 to 0.01368) | ≤ 1/40 met | ≤ 1/90 **missed** |",
        "| rss | MB |  | 1,234 |  | ≤ 150 **missed** |  |",
        "| accuracy (each seed: 0.9360 0.9380) |  | 0.9 | 0.937 |  | ≥ 0.935 met | ≥ 0.94 **missed** |",
    ]


def test_the_page_has_machine_table_picture_and_remarks() -> None:
    text = page(KEPT, "a machine", REMARKS)
    assert "Measured 2026-01-03 in 2 minutes, every figure on a machine." in text
    assert table(ROWS) in text
    assert "](costs.svg)" in text
    assert text.endswith(REMARKS)


def test_the_page_names_what_is_not_yet_measured() -> None:
    text = page(KEPT, "a machine", REMARKS, missing=["train", "score"])
    assert "\nNot yet measured: train, score (`make bench` measures what is missing).\n" in text
    assert "| prep (idle) |" in text
    assert "Not yet measured" not in page(KEPT, "a machine", REMARKS)


def test_older_results_stand_apart() -> None:
    text = page(KEPT[:1], "a machine", REMARKS, older=KEPT[1:])
    current, _, older = text.partition("## Older results")
    assert table(KEPT[0]["rows"]) in current
    assert table(KEPT[1]["rows"]) in older
    assert "Older" not in page(KEPT, "a machine", REMARKS)


def test_without_costs_of_a_number_of_images_there_is_no_picture() -> None:
    assert "costs.svg" not in page(KEPT[1:], "a machine", REMARKS)


def test_a_page_of_nothing_has_no_table_and_no_picture() -> None:
    text = page([], "a machine", REMARKS, missing=["prep"])
    assert "Not yet measured: prep (" in text
    assert "| unit |" not in text
    assert "costs.svg" not in text
