"""Buffer stderr during imports."""

import os

import pytest

from kfp_azureml.steps.train.tensorflow_import import buffered_stderr


def test_messages_are_dropped_on_success(capfd: pytest.CaptureFixture[str]) -> None:
    with buffered_stderr():
        os.write(2, b"a message\n")
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "afterwards\n"


def test_messages_are_shown_when_the_import_fails(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ImportError), buffered_stderr():
        os.write(2, b"the reason\n")
        raise ImportError
    assert capfd.readouterr().err == "the reason\n"
