import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pytest

from kfp_azureml.azureml.rollout import probe
from kfp_azureml.azureml.rollout.probe import (
    Probe,
    ScoringClient,
    probe_from_example,
    probe_from_file,
    probe_from_sample,
    read_sample,
)
from kfp_azureml.runtime.errors import DeploymentError, ModelError


class Endpoint(ThreadingHTTPServer):
    """Answers what it is told to, one answer after the other, the last one for ever; keeps what it was asked."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = []
        self.asked = []

    @property
    def scoring(self):
        return ScoringClient(f"http://127.0.0.1:{self.server_port}/score", "the-key")

    def once(self, probe):
        with httpx.Client() as client:
            return self.scoring.send_once(client, probe, "v1")


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((dict(self.headers), body))
        answers = self.server.answers
        status, text, headers = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_args):
        pass


@pytest.fixture
def endpoint(monkeypatch):
    monkeypatch.setattr(probe, "PAUSE_SECONDS", 0.01)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with Endpoint() as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def answer(*indices, **headers):
    return 200, json.dumps({"predictions": [{"index": index} for index in indices]}), headers


def answer_of(deployment, *indices):
    return answer(*indices, **{"azureml-model-deployment": deployment})


PROBE = Probe(b'{"images": []}', (1, 2))


def test_a_right_answer(endpoint):
    endpoint.answers = [answer(1, 2)]
    endpoint.scoring.send(PROBE, "v1")
    ((headers, body),) = endpoint.asked
    assert headers["azureml-model-deployment"] == "v1"
    assert headers["Authorization"] == "Bearer the-key"
    assert body == PROBE.body


def test_by_traffic_no_deployment_is_named(endpoint):
    endpoint.answers = [answer(1, 2)]
    endpoint.scoring.send(PROBE, "v1", by_traffic=True)
    assert "azureml-model-deployment" not in endpoint.asked[0][0]


@pytest.mark.parametrize(
    "old", [answer_of("v0", 1, 0), answer_of("v0", 1, 2), (424, "", {"azureml-model-deployment": "v0"})]
)
def test_an_answer_of_the_deployment_before_is_not_ours_to_judge(endpoint, old):
    endpoint.answers = [old, answer_of("v1", 1, 2)]
    endpoint.scoring.send(PROBE, "v1", by_traffic=True)
    assert len(endpoint.asked) == 2


def test_a_wrong_answer_of_the_deployment_itself_is_not_asked_again(endpoint):
    endpoint.answers = [answer_of("v1", 1, 0)]
    with pytest.raises(DeploymentError, match="predictions differ"):
        endpoint.scoring.send(PROBE, "v1", by_traffic=True)
    assert len(endpoint.asked) == 1


def test_traffic_that_never_comes_to_the_deployment_is_an_error(endpoint, monkeypatch):
    monkeypatch.setattr(probe, "GRACE_SECONDS", 0.05)
    endpoint.answers = [answer_of("v0", 1, 2)]
    with pytest.raises(DeploymentError, match="deployment v1: v0 responded instead"):
        endpoint.scoring.send(PROBE, "v1", by_traffic=True)


def test_other_classes_than_when_scored_are_an_error(endpoint):
    endpoint.answers = [answer(1, 0)]
    with pytest.raises(DeploymentError, match=r"deployment v1.* 1 of 2 predictions differ"):
        endpoint.scoring.send(PROBE, "v1")


@pytest.mark.parametrize("text", ["{}", "not json", '{"predictions": [1]}', "[]"])
def test_an_answer_of_another_kind_is_an_error(endpoint, text):
    endpoint.answers = [(200, text, {})]
    with pytest.raises(DeploymentError, match="the response has another format"):
        endpoint.scoring.send(PROBE, "v1")


def test_too_few_answers_are_an_error(endpoint):
    endpoint.answers = [answer(1)]
    with pytest.raises(DeploymentError, match="1 predictions for 2 images"):
        endpoint.scoring.send(PROBE, "v1")


@pytest.mark.parametrize("not_yet", [404, 429, 502, 503])
def test_a_deployment_that_is_not_there_yet_is_asked_again(endpoint, not_yet):
    endpoint.answers = [(not_yet, "later", {}), answer(1, 2)]
    endpoint.scoring.send(PROBE, "v1")
    assert len(endpoint.asked) == 2


def test_a_failing_script_is_not_asked_again(endpoint):
    endpoint.answers = [(424, "the script broke", {"ms-azureml-model-error-statuscode": "500"})]
    with pytest.raises(DeploymentError, match="status 500: the script broke"):
        endpoint.scoring.send(PROBE, "v1")
    assert len(endpoint.asked) == 1


def test_a_container_that_is_not_ready_yet_is_asked_again(endpoint):
    endpoint.answers = [(424, "no", {"ms-azureml-model-error-statuscode": "502"}), answer(1, 2)]
    endpoint.scoring.send(PROBE, "v1")


def test_a_refused_key_is_an_error_without_the_key(endpoint):
    endpoint.answers = [(401, "denied", {})]
    with pytest.raises(DeploymentError, match="status 401") as refused:
        endpoint.scoring.send(PROBE, "v1")
    assert "the-key" not in str(refused.value) + repr(endpoint.scoring)


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("how", ["send", "send_once"])
def test_a_key_that_somebody_regenerated_is_read_again(endpoint, status, how):
    scoring = ScoringClient(endpoint.scoring.uri, "the-key", lambda: "a-new-key")
    endpoint.answers = [(status, "denied", {}), answer(1, 2), answer(1, 2)]
    if how == "send":
        scoring.send(PROBE, "v1")
    else:
        with httpx.Client() as client:
            assert scoring.send_once(client, PROBE, "v1") is None
    scoring.send(PROBE, "v1")
    used = [headers["Authorization"] for headers, _ in endpoint.asked]
    assert used == ["Bearer the-key", "Bearer a-new-key", "Bearer a-new-key"]
    assert "key" not in repr(scoring)


def test_a_key_is_read_again_once(endpoint):
    read = []
    scoring = ScoringClient(endpoint.scoring.uri, "the-key", lambda: read.append(1) or "a-new-key")
    endpoint.answers = [(401, "denied", {})]
    with pytest.raises(DeploymentError, match="status 401: the endpoint rejects its own key"):
        scoring.send(PROBE, "v1")
    assert (len(read), len(endpoint.asked)) == (1, 2)


def test_patience_ends(endpoint, monkeypatch):
    monkeypatch.setattr(probe, "GRACE_SECONDS", 0.05)
    endpoint.answers = [(503, "busy", {})]
    with pytest.raises(DeploymentError, match="status 503: busy"):
        endpoint.scoring.send(PROBE, "v1")


def test_an_endpoint_nobody_reaches_is_an_error(endpoint, monkeypatch):
    monkeypatch.setattr(probe, "GRACE_SECONDS", 0.05)
    scoring = ScoringClient("http://127.0.0.1:1/score", "the-key")
    with pytest.raises(DeploymentError, match="no response"):
        scoring.send(PROBE, "v1")


def test_any_answer_will_do_for_a_request_of_the_users(endpoint, tmp_path):
    (tmp_path / "request.json").write_text('{"x": 1}')
    endpoint.answers = [(200, "fine", {})]
    endpoint.scoring.send(probe_from_file(tmp_path / "request.json"), "v1")
    assert endpoint.asked[0][1] == b'{"x": 1}'


SAMPLE = {"shape": [1, 1, 1], "images": ["AA==", "AQ=="], "labels": [0, 1], "predicted": [0, 2]}


def test_the_sample_of_a_score_step(tmp_path):
    (tmp_path / "sample.json").write_text(json.dumps(SAMPLE))
    probe = probe_from_sample(read_sample(tmp_path))
    assert json.loads(probe.body) == {"images": ["AA==", "AQ=="]}
    assert probe.expected == (0, 2)


def test_a_score_result_without_its_sample_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"sample\.json: missing; score_result must be the output folder"):
        read_sample(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"{}",
        b"[]",
        b"7",
        b"null",
        b"\xff\xfe",
        b'{"images": [], "predicted": ["cat"]}',
        b'{"images": ["AA=="], "predicted": []}',
        b'{"images": [], "predicted": [1]}',
        b'{"images": null, "predicted": []}',
        b'{"images": ["AA=="], "predicted": [Infinity]}',
    ],
)
def test_a_broken_sample_is_refused(content):
    with pytest.raises(ModelError, match=r"sample\.json: not a sample"):
        probe_from_sample(content)


def test_a_sample_has_a_part_for_each_image_to_be_answered_as_it_was():
    parts = probe_from_sample(json.dumps(SAMPLE).encode()).parts
    assert [json.loads(part.body) for part in parts] == [{"images": ["AA=="]}, {"images": ["AQ=="]}]
    assert [part.expected for part in parts] == [(0,), (2,)]


def test_where_some_may_be_answered_otherwise_a_part_is_only_answered_or_not(endpoint):
    """Which image it is that may be answered otherwise, nobody knows."""
    parts = probe_from_sample(json.dumps(SAMPLE).encode(), min_accuracy=0.5).parts
    assert [part.expected for part in parts] == [None, None]
    endpoint.answers = [answer(1)]
    assert endpoint.once(parts[0]) is None


@pytest.mark.parametrize(
    ("min_accuracy", "answered", "fault"),
    [
        (1.0, (0, 0, 0, 0), None),
        (1.0, (0, 0, 0, 9), "1 of 4 predictions differ"),
        (0.75, (0, 0, 0, 9), None),
        (0.75, (0, 0, 9, 9), "2 of 4 predictions differ"),
        (0.76, (0, 0, 0, 9), "1 of 4 predictions differ"),
        (0.0, (9, 9, 9, 9), None),
        (0.0, (9, 9, 9), "3 predictions for 4 images"),
    ],
)
def test_so_much_of_the_sample_has_to_be_answered_as_it_was(endpoint, min_accuracy, answered, fault):
    sample = {"images": ["AA=="] * 4, "predicted": [0] * 4}
    probe = probe_from_sample(json.dumps(sample).encode(), min_accuracy)
    endpoint.answers = [answer(*answered)]
    if fault is None:
        endpoint.scoring.send(probe, "v1")
        return
    with pytest.raises(DeploymentError, match=fault):
        endpoint.scoring.send(probe, "v1")


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (answer(1, 2), None),
        (answer(1, 0), "1 of 2 predictions differ from the score step's"),
        (answer_of("v0", 1, 2), "v0 responded instead"),
        ((503, "busy", {}), "status 503: busy"),
        ((424, "no", {"ms-azureml-model-error-statuscode": "500"}), "status 500: no"),
        ((401, "denied", {}), "status 401: the endpoint rejects its own key"),
        ((500, "x" * 1000, {}), f"status 500: {'x' * 300} ..."),
    ],
)
def test_once_means_once_and_aimed_at_the_deployment(endpoint, given, fault):
    endpoint.answers = [given]
    assert endpoint.once(PROBE) == fault
    ((headers, _),) = endpoint.asked
    assert headers["azureml-model-deployment"] == "v1"
    assert headers["Authorization"] == "Bearer the-key"


def test_once_without_a_connection(endpoint):
    with httpx.Client() as client:
        fault = ScoringClient("http://127.0.0.1:1/score", "the-key").send_once(client, PROBE, "v1")
    assert fault.startswith("no response (ConnectError")
    assert "the-key" not in fault


@pytest.mark.parametrize("text", [None, "{"])
def test_a_broken_request_is_refused(tmp_path, text):
    if text is not None:
        (tmp_path / "request.json").write_text(text)
    with pytest.raises(DeploymentError, match=r"request\.json"):
        probe_from_file(tmp_path / "request.json")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_request_of_windows_is_sent_as_utf8(tmp_path, encoding):
    (tmp_path / "request.json").write_bytes('{"text": "ü"}'.encode(encoding))
    assert probe_from_file(tmp_path / "request.json").body == '{"text": "ü"}'.encode()


@pytest.mark.parametrize(
    ("content", "body"),
    [
        (b'{"inputs": [[1, 2]]}', {"input_data": [[1, 2]]}),
        (b'{"inputs": {"a": [1]}}', None),
        (b'{"columns": ["a"], "data": [[1]]}', None),
        (b"[1]", None),
        (b"\xff", None),
    ],
)
def test_the_example_of_an_mlflow_model_is_a_request(content, body):
    probe = probe_from_example(content)
    assert (probe and json.loads(probe.body)) == body
