"""The endpoint: latency, start, memory and disk space."""

from __future__ import annotations

import base64
import io
import json
import shutil
import statistics
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from bench.context import REPOSITORY, Context
from bench.data import idx_files
from bench.load import Load, put_load
from bench.row import Row, at_most, compared
from bench.serving import Server, build_environment, running_server, size_of
from bench.steps import FEWEST_EPOCHS, baseline_prep, baseline_train, our_prep, our_train
from bench.usage import MEGABYTE
from kfp_azureml.azureml.rollout.environment import SERVING_FOLDER

BASELINES = REPOSITORY / "bench" / "baselines"
CLIENTS = (1, 8, 32)
SIDES = ("keras", "ours", "echo", "decode")
PHOTO_SIZE = (640, 480)


@dataclass
class Runs:
    """Figures of one side, one for each start of its server.

    Attributes:
        seconds_to_healthy: Seconds from process start to healthy.
        rss: Resident memory of the worker after all requests, in MB.
        loads: Loads by number of clients.
        photos: Loads of one client that sends a JPEG.
    """

    seconds_to_healthy: list[float] = field(default_factory=list)
    rss: list[float] = field(default_factory=list)
    loads: dict[int, list[Load]] = field(default_factory=lambda: {clients: [] for clients in CLIENTS})
    photos: list[Load] = field(default_factory=list)


def measure_endpoint(context: Context) -> list[Row]:
    """Compare our entry script with one that calls `model.predict`, one that echoes, and one that decodes and echoes.

    All run in the stock inference server with one worker. The first three get the same requests of one image as JSON;
    the last one and ours the same JPEG.
    """
    context.say("endpoint: making environments and models")
    environments = {
        "keras": build_environment(BASELINES / "keras_serving" / "conda.yaml"),
        "ours": build_environment(SERVING_FOLDER / "conda.yaml"),
    }
    environments["echo"] = environments["decode"] = environments["ours"]
    scripts = {
        "keras": BASELINES / "keras_serving" / "score.py",
        "ours": _copy(SERVING_FOLDER, context.work / "our-serving") / "score.py",
        "echo": BASELINES / "echo_serving" / "score.py",
        "decode": _copy(SERVING_FOLDER, context.work / "decode-serving") / "score.py",
    }
    shutil.copyfile(BASELINES / "decode_serving" / "score.py", scripts["decode"])
    models = _models(context)
    test_images = idx_files(context) / "t10k-images-idx3-ubyte"
    body = json.dumps({"images": [base64.b64encode(test_images.read_bytes()[16 : 16 + 28 * 28]).decode()]}).encode()
    photo = _photo()

    sides = {side: Runs() for side in SIDES}
    for number in range(context.scale.repeats):
        for side, runs in sides.items():
            context.say(f"endpoint, {side}, {number + 1} of {context.scale.repeats}")
            log = context.work / f"endpoint-{side}.log"
            with running_server(environments[side], scripts[side], models[side], log) as server:
                if side != "decode":
                    _measure_server(context, server, body, runs)
                if side in ("ours", "decode"):
                    _measure_photos(context, server, photo, runs)
    sizes = {side: size_of(environments[side]) / MEGABYTE for side in ("keras", "ours")}
    return [*_latency_rows(sides), *_start_rows(sides), *_size_rows(sides, sizes)]


def _copy(source: Path, target: Path) -> Path:
    """Copy an entry script to a folder where the server may write bytecode, as in the service."""
    return Path(shutil.copytree(source, target, dirs_exist_ok=True))


def _models(context: Context) -> dict[str, Path]:
    baseline_prep(context, context.work / "baseline")
    our_prep(context, context.work / "ours")
    models = {side: context.work / "models" / side for side in SIDES}
    baseline_train(context, context.work / "baseline", models["keras"], epochs=1)
    our_train(context.work / "ours", models["ours"], FEWEST_EPOCHS, seed=1)
    for side in ("echo", "decode"):
        models[side].mkdir(parents=True, exist_ok=True)
    return models


def _photo() -> bytes:
    """Return a JPEG with smooth areas, edges and noise: 1.4 bits per pixel, as photographs have."""
    random = np.random.default_rng(7)
    shapes = Image.fromarray(random.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    smooth = np.asarray(shapes.resize(PHOTO_SIZE, Image.Resampling.BICUBIC)).astype(int)
    noisy = smooth + random.normal(0, 6, smooth.shape)
    stream = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(stream, "JPEG", quality=85)
    return stream.getvalue()


def _measure_server(context: Context, server: Server, body: bytes, runs: Runs) -> None:
    runs.seconds_to_healthy.append(server.seconds_to_healthy)
    put_load(server.port, body, clients=1, requests=max(CLIENTS))  # warms up
    for clients in CLIENTS:
        runs.loads[clients].append(put_load(server.port, body, clients=clients, requests=context.scale.requests))
    runs.rss.append(server.worker_rss() / MEGABYTE)


def _measure_photos(context: Context, server: Server, photo: bytes, runs: Runs) -> None:
    for requests in (max(CLIENTS), context.scale.requests):  # the first load warms up
        load = put_load(server.port, photo, clients=1, requests=requests, content_type="image/jpeg")
    runs.photos.append(load)


def _latency_rows(sides: dict[str, Runs]) -> list[Row]:
    p50, p99 = ({side: _percentiles(runs.loads[1], percent) for side, runs in sides.items()} for percent in (50, 99))
    rows = [
        compared("endpoint: p50 of one image", "ms", p50["keras"], p50["ours"], at_most(1 / 40)),
        compared("endpoint: p99 of one image", "ms", p99["keras"], p99["ours"]),
        compared(
            "endpoint: p50 against an echo",
            "ms",
            p50["echo"],
            p50["ours"],
            at_most(None, 1.3),
            note="baseline: an entry script that only echoes",
        ),
        compared("endpoint: p99 against an echo", "ms", p99["echo"], p99["ours"], note="baseline: as above"),
        compared(
            "endpoint: p50 of a JPEG of 640x480",
            "ms",
            _percentiles(sides["decode"].photos, 50),
            _percentiles(sides["ours"].photos, 50),
            at_most(1.3),
            note="baseline: an entry script that decodes, resizes and echoes",
        ),
    ]
    for clients in CLIENTS:
        rates = {side: [load.requests_per_second for load in runs.loads[clients]] for side, runs in sides.items()}
        name = f"endpoint: requests/s at {clients} client{'s' if clients > 1 else ''}"
        rows.append(compared(name, "1/s", rates["keras"], rates["ours"]))
    return rows


def _start_rows(sides: dict[str, Runs]) -> list[Row]:
    keras, ours, echo = (sides[side].seconds_to_healthy for side in SIDES[:3])
    return [
        compared("endpoint: process start to healthy", "s", keras, ours, at_most(1 / 3, 1 / 5)),
        compared("endpoint: process start to healthy, against an echo", "s", echo, ours, note="baseline: an echo"),
    ]


def _size_rows(sides: dict[str, Runs], sizes: dict[str, float]) -> list[Row]:
    return [
        compared("endpoint: RSS of a worker", "MB", sides["keras"].rss, sides["ours"].rss, at_most(1 / 5, 1 / 6)),
        compared("endpoint: RSS of a worker, against an echo", "MB", sides["echo"].rss, sides["ours"].rss),
        compared("endpoint: size of the environment", "MB", [sizes["keras"]], [sizes["ours"]], at_most(1 / 6, 1 / 10)),
    ]


def _percentiles(loads: list[Load], percent: int) -> list[float]:
    """Return a percentile of the latencies of each load, in milliseconds."""
    return [1000 * statistics.quantiles(load.latencies, n=100)[percent - 1] for load in loads]
