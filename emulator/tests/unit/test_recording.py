from __future__ import annotations

import uuid
from fnmatch import fnmatchcase

import pytest

from azureml_emulator.test_control import recording
from azureml_emulator.test_control.recording import RecordedRequest, Recorder

BLOBS = "account.blob.core.windows.net"


@pytest.mark.parametrize(
    ("host", "path", "query", "target"),
    [
        ("management.azure.com", "/subscriptions/s", "api-version=1&$top=1", "management.azure.com/subscriptions/s"),
        (BLOBS, "/c/a.bin", "sv=1&sig=secret", f"{BLOBS}/c/a.bin"),
        (BLOBS, "/c/a.bin", "sig=secret&comp=metadata", f"{BLOBS}/c/a.bin?comp=metadata"),
        (BLOBS, "/c", "restype=container&prefix=p&comp=list", f"{BLOBS}/c?comp=list&restype=container"),
        ("management.azure.com", "/x", "comp=secret", "management.azure.com/x"),
    ],
)
def test_a_target_tells_what_is_done_and_no_secret(host: str, path: str, query: str, target: str) -> None:
    assert Recorder().record("GET", host, path, query).target == target


def test_a_pattern_is_the_same_in_every_run() -> None:
    def codes() -> RecordedRequest:
        return RecordedRequest("GET", f"h/codes/{uuid.uuid4()}/versions/1")

    def containers() -> RecordedRequest:
        return RecordedRequest("PUT", f"{BLOBS}/code-{uuid.uuid4().hex}/score.py")

    for request, again in ((codes(), codes()), (containers(), containers())):
        assert request.pattern == again.pattern
        assert request.target != again.target
        assert fnmatchcase(again.target, request.pattern)


def test_a_pattern_keeps_what_content_and_users_say() -> None:
    target = f"{BLOBS}/c/LocalUpload/{'0123456789abcdef' * 4}/model [v1]*?.bin?comp=block"
    pattern = RecordedRequest("PUT", target).pattern

    assert fnmatchcase(target, pattern)
    assert not fnmatchcase(target.replace("[v1]", "v"), pattern)
    assert not fnmatchcase(target.replace("0123", "3210"), pattern)


def test_requests_are_kept_in_order_and_not_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MOST_REQUESTS", 10)
    recorder = Recorder()
    for number in range(25):
        recorder.record("GET", "h", f"/{number}", "")

    kept = [request.target for request in recorder.requests]

    assert len(kept) <= 10
    assert kept == [f"h/{number}" for number in range(25 - len(kept), 25)]
    recorder.clear()
    assert recorder.requests == []
