"""What prep's cached result is valid for."""

from kfp_azureml.aml_preflight.preflight import cache_version


def test_only_a_named_version_of_the_data_is_shared_between_runs() -> None:
    assert cache_version("2026-11", "run-1") == cache_version("2026-11", "run-2")
    assert cache_version("", "run-1") != cache_version("", "run-2")
