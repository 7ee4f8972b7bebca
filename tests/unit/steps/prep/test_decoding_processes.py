"""Images that crash, stop or exhaust the decoder are named; no process is left."""

import json
import os
import sys
import threading
from contextlib import suppress

import psutil
import pytest

from kfp_azureml.imagesets.preprocessing import BadImageError, Preprocessing, decode, read_header
from kfp_azureml.imagesets.reader import open_image_set
from kfp_azureml.runtime.errors import DataError
from kfp_azureml.steps.prep import decoding_processes
from kfp_azureml.steps.prep.decoding_processes import DecodingProcesses
from pictures import encoded, noise, write_class_folders
from step_calls import prep_data

WANTED = Preprocessing(8, 8, 3, "pad")
PICTURE = encoded(noise(1, (20, 12)), "JPEG")
DYING = """
import os, signal, time
from kfp_azureml.steps.prep import decode_images

def decode(data, wanted, real=decode_images.decode):
    if b"SIG" in data:
        os.kill(os.getpid(), getattr(signal, data[data.index(b"SIG"):].decode()))
    if b"HANG" in data:
        time.sleep(1000)
    if b"EXIT" in data:
        os._exit(3)
    return real(data, wanted)

decode_images.decode = decode
decode_images.main()
"""


@pytest.fixture
def dying(monkeypatch):
    """A decoder that dies of certain images."""
    monkeypatch.setattr(decoding_processes, "COMMAND", (sys.executable, "-c", DYING))


@pytest.fixture(autouse=True)
def no_child_is_left():
    before = set(psutil.Process().children(recursive=True))
    yield
    assert set(psutil.Process().children(recursive=True)) == before


def test_pixels_headers_and_reasons_are_those_of_the_same_process():
    with DecodingProcesses() as processes:
        assert processes.decode(PICTURE, WANTED) == decode(PICTURE, WANTED)
        assert processes.read_header(PICTURE) == read_header(PICTURE) == (12, 20, 3)
        for call, here in ((processes.read_header, read_header), (lambda data: processes.decode(data, WANTED), None)):
            with pytest.raises(BadImageError, match="not an image") as caught:
                call(b"no picture")
            if here:
                with pytest.raises(BadImageError, match=str(caught.value)):
                    here(b"no picture")


@pytest.mark.parametrize(
    ("end", "reason"),
    [("SIGSEGV", "SIGSEGV"), ("SIGKILL", "SIGKILL; perhaps out of memory"), ("EXIT", "exit code 3")],
)
def test_an_image_that_ends_the_decoder_is_named(tmp_path, dying, end, reason):
    folder = write_class_folders(tmp_path / "photos")
    (folder / "dog" / "7.png").write_bytes(PICTURE + end.encode())
    outputs = tmp_path / "out" / "training", tmp_path / "out" / "test"
    with pytest.raises(DataError) as caught:
        prep_data(str(folder), *outputs, image_size="8")
    assert f"{folder}/dog/7.png: decoding it ended the decoder's process ({reason}); remove it" in str(caught.value)
    assert list(outputs[0].parent.iterdir()) == []

    result = prep_data(str(folder), *outputs, image_size="8", on_bad_image="skip")
    assert (result.skipped_images, result.training_images + result.test_images) == (1, 59)
    assert sum(open_image_set(path).info.count for path in outputs) == 59


def test_an_image_that_takes_too_long_is_named(dying, monkeypatch):
    monkeypatch.setattr(decoding_processes, "DECODE_SECONDS", 0.2)
    with DecodingProcesses() as processes, pytest.raises(BadImageError, match=r"decoding it takes longer than 0\.2 s"):
        processes.decode(PICTURE + b"HANG", WANTED)


def test_the_end_does_not_wait_for_an_image(dying):
    others = set(psutil.Process().children())
    with DecodingProcesses() as processes:
        processes.read_header(PICTURE)
        (child,) = set(psutil.Process().children()) - others

        def hang():
            with suppress(BadImageError):
                processes.decode(PICTURE + b"HANG", WANTED)

        thread = threading.Thread(target=hang)
        thread.start()
    thread.join()
    assert not child.is_running()
    with pytest.raises(BadImageError, match="the step ends"):
        processes.decode(PICTURE, WANTED)


def test_the_decoder_has_no_credentials(monkeypatch):
    monkeypatch.setenv("AZ_CLIENT_SECRET", "secret")
    others = set(psutil.Process().children())
    with DecodingProcesses() as processes:
        processes.read_header(PICTURE)
        (child,) = set(psutil.Process().children()) - others
        assert set(child.environ()) <= {*decoding_processes._ENVIRONMENT, "OPENBLAS_NUM_THREADS"}


def test_it_ends_when_the_step_is_killed(tmp_path):
    program = f"""
import json, os, psutil
from kfp_azureml.steps.prep.decoding_processes import DecodingProcesses
with DecodingProcesses() as processes:
    processes.read_header({PICTURE!r})
    print(json.dumps([child.pid for child in psutil.Process().children()]), flush=True)
    os.kill(os.getpid(), 9)
"""
    with psutil.Popen([sys.executable, "-c", program], stdout=-1, env=dict(os.environ)) as step:
        children = json.loads(step.stdout.read())
    for child in children:
        with suppress(psutil.NoSuchProcess):
            psutil.Process(child).wait(60)
