"""Score a folder with a batch deployment's script, as the service's driver does.

It runs in the deployment's environment, with Python 3.9 or later, and imports only the standard library: a DataFrame
is known by its methods.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TextIO

logger = logging.getLogger("batch")


def main(arguments: Sequence[str]) -> int:
    """Call the script's init() once, its run() per mini-batch; write the results.

    Returns:
        The exit code: 1, if more inputs failed than the error threshold.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    asked = _parse(arguments)
    os.environ["AZUREML_BI_OUTPUT_PATH"] = str(asked.output)
    if asked.model:
        os.environ["AZUREML_MODEL_DIR"] = str(asked.model.parent)
    script = _load(asked.script)
    script.init()
    inputs = [asked.input] if asked.input.is_file() else [file for file in asked.input.rglob("*") if file.is_file()]
    files = sorted(map(str, inputs))
    failed = 0
    predictions = asked.output / asked.file if asked.append else Path(os.devnull)
    with predictions.open("w", encoding="utf-8") as rows:
        for start in range(0, len(files), asked.mini_batch_size):
            failed += _score(script, files[start : start + asked.mini_batch_size], rows, asked)
            if 0 <= asked.error_threshold < failed:
                logger.error("%d inputs failed: the error threshold is %d", failed, asked.error_threshold)
                return 1
    logger.info("%d inputs were scored, %d failed", len(files) - failed, failed)
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for name in ("--input", "--output", "--script"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--append", action="store_true")
    parser.add_argument("--file", required=True)
    for name in ("--mini-batch-size", "--error-threshold", "--retries"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--timeout", type=float, required=True)
    return parser.parse_args(arguments)


def _load(path: Path) -> ModuleType:
    sys.path.insert(0, str(path.resolve().parent))
    spec = importlib.util.spec_from_file_location("scoring_script", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def _score(script: ModuleType, mini_batch: list[str], rows: TextIO, asked: argparse.Namespace) -> int:
    """Score a mini-batch with retries; return how many of its inputs failed."""
    for attempt in range(1 + asked.retries):
        try:
            results = _run(script, mini_batch, asked.timeout)
        except Exception:
            logger.exception("run() failed, attempt %d of %d", attempt + 1, 1 + asked.retries)
            continue
        if hasattr(results, "to_csv"):
            results.to_csv(rows, sep=" ", header=False, index=False)
        else:
            rows.writelines(f"{result}\n" for result in results)
        return max(0, len(mini_batch) - len(results))
    return len(mini_batch)


def _run(script: ModuleType, mini_batch: list[str], seconds: float) -> Sequence[object]:
    def stop(*_: object) -> None:
        raise TimeoutError(f"run() took longer than {seconds:g} seconds")

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        results: Sequence[object] = script.run(mini_batch)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return results


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
