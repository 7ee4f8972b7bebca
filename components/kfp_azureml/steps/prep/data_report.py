"""The data report: counts by class, sizes, samples, skipped files and duplicates, as one HTML page.

It needs the standard library only: a template engine and an imaging library would cost more CPU than preparing all of
Fashion-MNIST.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterable, Sequence
from math import ceil
from pathlib import Path
from string import Template

from kfp_azureml.steps.prep.result import Findings

TEMPLATE = Path(__file__).with_name("data_report.html")
MAX_SIDE = 96
"""Larger samples are shown by every second, third ... pixel."""

SMALL_BYTES = 4096
"""Smaller samples are not compressed: it takes longer than it is worth."""

SHOWN_SIZES = 20
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # of PNG, by channels


# Python's html module also loads all names of characters.
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})


def write_report(path: Path, findings: Findings) -> None:
    """Write the report as one self-contained HTML page."""
    result = findings.result()
    figures: dict[str, object] = {
        "Training images": f"{result.training_images:,}",
        "Test images": f"{result.test_images:,}",
        "Classes": f"{len(result.classes):,}",
        "Image size": f"{'&times;'.join(map(str, result.image_shape))}",
        "Skipped files": f"{result.skipped_images:,}",
    }
    if result.duplicates is not None:
        figures["Duplicates"] = f"{result.duplicates:,}"
    counts = zip(findings.classes, findings.training.counts, findings.test.counts, strict=True)
    page = Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        found=escape(findings.found.capitalize()),
        source=escape(findings.source),
        figures="".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in figures.items()),
        classes=_table(("Class", "Training", "Test"), ((name, f"{a:,}", f"{b:,}") for name, a, b in counts)),
        samples=_samples(findings),
        sections="\n\n".join(_sections(findings)),
    )
    # A file's name may have bytes that are not UTF-8.
    path.write_text(page, encoding="utf-8", errors="backslashreplace")


def png(pixels: bytes, shape: tuple[int, int, int]) -> bytes:
    """Return raw pixels of 1 to 4 channels as a PNG file."""
    height, width, channels = shape
    row = width * channels
    lines = b"".join(b"\0" + pixels[start : start + row] for start in range(0, height * row, row))
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 1 if len(lines) > SMALL_BYTES else 0)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def _sections(findings: Findings) -> Iterable[str]:
    if findings.preprocessing:
        yield "<h2>Preprocessing</h2>" + _table(("Setting", "Value"), findings.preprocessing.items(), text=True)
    if findings.duplicate_count:
        unlisted = findings.duplicate_count - len(findings.duplicates)
        yield (
            '<h2>Duplicates</h2><p class="faint">Training images with the pixels of a test image, which makes the test '
            "accuracy too high.</p>"
            + _table(
                ("Training", "Class", "Test", "Class"),
                ((one.training, one.training_class, one.test, one.test_class) for one in findings.duplicates),
                text=True,
            )
            + (f'<p class="faint">and {unlisted:,} more</p>' if unlisted else "")
        )
    if findings.skipped:
        rows = ((one.name, one.reason) for one in findings.skipped)
        yield "<h2>Skipped files</h2>" + _table(("File", "Reason"), rows, text=True)
    if findings.sizes:
        sizes = list(findings.sizes.items())
        more = f'<p class="faint">and {len(sizes) - SHOWN_SIZES:,} more</p>' if len(sizes) > SHOWN_SIZES else ""
        rows = ((size, f"{count:,}") for size, count in sizes[:SHOWN_SIZES])
        yield "<h2>Sizes before preprocessing</h2>" + _table(("Width and height", "Images"), rows) + more


def _samples(findings: Findings) -> str:
    shape = findings.training.shape
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td class="album">'
        + "".join(_picture(pixels, shape, name) for pixels in samples)
        + "</td></tr>"
        for name, samples in zip(findings.classes, findings.training.samples, strict=False)
    )
    more = len(findings.classes) - len(findings.training.samples)
    return f'<div class="scroll"><table class="text">{rows}</table></div>' + (
        f'<p class="faint">and {more:,} more classes</p>' if more > 0 else ""
    )


def _picture(pixels: bytes, shape: tuple[int, int, int], name: str) -> str:
    data = base64.b64encode(png(*_thinned(pixels, shape))).decode()
    return f'<img src="data:image/png;base64,{data}" alt="{escape(name)}">'


def _thinned(pixels: bytes, shape: tuple[int, int, int]) -> tuple[bytes, tuple[int, int, int]]:
    """Return every n-th pixel of a large image."""
    height, width, channels = shape
    step = ceil(max(height, width) / MAX_SIDE)
    if step == 1:
        return pixels, shape
    import numpy as np

    kept = np.frombuffer(pixels, np.uint8).reshape(shape)[::step, ::step]
    return kept.tobytes(), (kept.shape[0], kept.shape[1], channels)


def escape(text: str) -> str:
    """Return a text as it is written in HTML."""
    return text.translate(_ESCAPES)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]], *, text: bool = False) -> str:
    titles = "".join(f'<th scope="col">{name}</th>' for name in head)
    lines = "".join(
        f'<tr><th scope="row">{escape(str(first))}</th>{"".join(f"<td>{escape(str(one))}</td>" for one in rest)}</tr>'
        for first, *rest in rows
    )
    kind = ' class="text"' if text else ""
    return f"<table{kind}><thead><tr>{titles}</tr></thead><tbody>{lines}</tbody></table>"
