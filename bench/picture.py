"""Draw the cost of prep against the number of images. Usage: picture.py SVG ROWS_JSON...

A separate program because it needs matplotlib, which only the baseline's environment has.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt


def draw(rows: list[dict[str, Any]], picture: Path) -> None:
    """Draw the rows that have a number of images, one panel a unit, into an SVG file."""
    mpl.rcParams["svg.hashsalt"] = "bench"  # the same file for the same figures
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for panel, unit, title in zip(panels, ("s", "MB"), ("user CPU, s", "peak RSS, MB"), strict=True):
        drawn = sorted((row for row in rows if row["images"] and row["unit"] == unit), key=lambda row: row["images"])
        panel.plot([row["images"] for row in drawn], [row["ours"] for row in drawn], "o-", label="ours")
        if drawn:
            # The larger rows are compared with ours, not with the baseline.
            panel.plot(drawn[0]["images"], drawn[0]["baseline"], "s", color="tab:red", label="baseline")
        panel.set(xscale="log", yscale="log", xlabel="images", title=f"prep: {title}")
        panel.grid(visible=True, which="both", alpha=0.3)
        panel.legend()
    figure.savefig(picture, metadata={"Date": None})


def main() -> None:
    """Draw the rows of all files."""
    picture, *files = map(Path, sys.argv[1:])
    draw([row for file in files for row in json.loads(file.read_text())["rows"]], picture)


if __name__ == "__main__":
    main()
