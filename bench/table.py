"""All measurements in the order of the table, and their scales."""

from __future__ import annotations

from bench.context import Scale
from bench.measurement import Measurement
from bench.rows.compiling import measure_compile
from bench.rows.emulator import measure_emulator
from bench.rows.endpoint import measure_endpoint
from bench.rows.local_run import measure_local_run
from bench.rows.prep import measure_prep
from bench.rows.prep_large import measure_prep_large
from bench.rows.prep_photos import measure_prep_photos
from bench.rows.register import measure_register
from bench.rows.score import measure_score
from bench.rows.train import measure_train
from bench.rows.train_large import measure_train_large
from bench.rows.train_photos import measure_train_photos
from bench.rows.train_workers import measure_train_workers
from bench.rows.training_speed import measure_training_speed

PACKAGE = "components/kfp_azureml"
PREP = ("bench/rows/prep.py", f"{PACKAGE}/steps/prep/*.py", f"{PACKAGE}/imagesets/*.py")
TRAIN = (*PREP, "bench/baselines/*.py", f"{PACKAGE}/steps/train/*.py", f"{PACKAGE}/steps/score/*.py")
AZURE = (f"{PACKAGE}/azureml/**/*.py", "emulator/azureml_emulator/**/*.py")

MEASUREMENTS = (
    Measurement("prep", measure_prep, (*PREP, "bench/baselines/prep.py")),
    Measurement("prep-large", measure_prep_large, (*PREP, "bench/rows/prep_large.py")),
    Measurement(
        "prep-photos", measure_prep_photos, (*PREP, "bench/rows/prep_photos.py", "bench/baselines/*_photos.py")
    ),
    Measurement("train", measure_train, (*TRAIN, "bench/rows/train.py")),
    Measurement("train-large", measure_train_large, (*TRAIN, "bench/rows/train_large.py")),
    Measurement(
        "train-photos",
        measure_train_photos,
        (*TRAIN, "bench/rows/train_photos.py", "bench/baselines/photos.py", "examples/emoji_images/*"),
    ),
    Measurement(
        "train-workers",
        measure_train_workers,
        (*TRAIN, "bench/rows/train_workers.py", f"{PACKAGE}/local/worker_group.py"),
    ),
    Measurement(
        "training-speed", measure_training_speed, (*TRAIN, "bench/rows/training_speed.py", "bench/training_speed.py")
    ),
    Measurement("score", measure_score, (*TRAIN, "bench/rows/score.py")),
    Measurement(
        "endpoint",
        measure_endpoint,
        (
            *TRAIN,
            "bench/rows/endpoint.py",
            "bench/baselines/*_serving/*",
            f"{PACKAGE}/azureml/rollout/serving/*",
            "emulator/azureml_emulator/scoring/environments.py",
        ),
    ),
    Measurement(
        "register",
        measure_register,
        (*AZURE, "bench/rows/register.py", "bench/baselines/register.py", f"{PACKAGE}/steps/aml_register_model/*.py"),
    ),
    Measurement("emulator", measure_emulator, ("bench/rows/emulator.py", "emulator/azureml_emulator/**/*.py")),
    Measurement(
        "compile",
        measure_compile,
        (
            "Makefile",
            "bench/rows/compiling.py",
            f"{PACKAGE}/steps/**/component.py",
            f"{PACKAGE}/compiling/*.py",
            "pipelines/*",
        ),
    ),
    Measurement(
        "run", measure_local_run, ("Makefile", "bench/rows/local_run.py", f"{PACKAGE}/**/*.py", *AZURE, "pipelines/*")
    ),
)

FULL = Scale(
    images=(60_000, 10_000),
    repeats=5,
    factors=(10, 100),
    photos=4_000,
    seeds=(1, 2, 3),
    baseline_epochs=10,
    epochs_to_accuracy=1,
    epochs_for_budget=16,
    requests=200,
    model_bytes=500_000_000,
    emulator_seconds=10,
    emulator_models=1_000,
    upload_bytes=1 << 30,
    run_options="",
)
"""The scale of RESULTS.md."""

TINY = Scale(
    images=(1_000, 200),
    repeats=1,
    factors=(2,),
    photos=400,
    seeds=(1,),
    baseline_epochs=1,
    epochs_to_accuracy=1,
    epochs_for_budget=1,
    requests=4,
    model_bytes=1_000_000,
    emulator_seconds=1,
    emulator_models=10,
    upload_bytes=1 << 20,
    run_options="--param min_accuracy=0",
)
"""Tries the bench itself in minutes; its figures mean nothing."""

SCALES = {"full": FULL, "tiny": TINY}
