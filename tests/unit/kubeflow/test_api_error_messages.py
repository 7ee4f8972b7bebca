"""What Kubeflow answers to a request that it refuses, in one line of words."""

import json

import pytest

from kfp_azureml.kubeflow import api_error_messages
from kfp_azureml.runtime.errors import KubeflowError
from kubeflow_api import Fault, KubeflowApi
from submissions import submitted

TRACE = "\ngithub.com/kubeflow/pipelines/backend/src/common/util.Wrap\n\t/data\ngithub.com/x.(*Y).Z\n\t/data"


def raised(body: bytes, status: int = 400) -> str:
    """What is said of a refusal with this body."""
    from kfp_server_api import ApiException

    error = ApiException(status=status)
    error.body = body.decode(errors="replace")
    return api_error_messages.reason(error)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"code": 3, "message": 'proto: (line 1:29): unknown field "x"'}, '(proto: (line 1:29): unknown field "x")'),
        (
            {"code": 13, "message": f"cannot find component\nFailed to compile job{TRACE}"},
            "component Failed to compile job)",
        ),
        ({"error_message": "unknown template format", "error_details": f"x{TRACE}"}, "(unknown template format)"),
        ({"error": "from before 2.17"}, "(from before 2.17)"),
        ({"message": "", "error": "second"}, "(second)"),
        ({"message": "\x1b[2J\x1b]0;title\x07a\nb\t"}, "(a b)"),
        ({"message": "x" * 10**6}, f"({'x' * 400} ...)"),
        ({"message": {"odd": 1}, "error": None}, "status 400"),
        ([], "status 400"),
        ("text", "status 400"),
        (None, "status 400"),
    ],
)
def test_the_servers_own_words_are_one_line(body: object, said: str) -> None:
    reason = raised(json.dumps(body).encode())
    assert reason.endswith(said)
    assert reason.isprintable()
    assert "github.com" not in reason


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"<html>", b"{"])
def test_an_answer_that_is_no_json_is_no_traceback(kubeflow: KubeflowApi, body: bytes) -> None:
    kubeflow.faults["POST /runs"] = [Fault(500, raw=body)]
    with pytest.raises(KubeflowError, match=r"the server responded with status 500$"):
        submitted(kubeflow)
