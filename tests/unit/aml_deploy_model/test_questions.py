import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from kfp_azureml.aml_deploy_model import questions
from kfp_azureml.aml_deploy_model.questions import Question, Scoring, question_from_file, question_from_sample
from kfp_azureml.errors import DeploymentError, ModelError


class Endpoint(ThreadingHTTPServer):
    """Answers what it is told to, one answer after the other, the last one for ever; keeps what it was asked."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = []
        self.asked = []

    @property
    def scoring(self):
        return Scoring(f"http://127.0.0.1:{self.server_port}/score", "the-key")


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
    monkeypatch.setattr(questions, "PAUSE_SECONDS", 0.01)
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


QUESTION = Question(b'{"images": []}', (1, 2))


def test_a_right_answer(endpoint):
    endpoint.answers = [answer(1, 2)]
    endpoint.scoring.ask(QUESTION, "v1")
    ((headers, body),) = endpoint.asked
    assert headers["azureml-model-deployment"] == "v1"
    assert headers["Authorization"] == "Bearer the-key"
    assert body == QUESTION.body


def test_by_traffic_no_deployment_is_named(endpoint):
    endpoint.answers = [answer(1, 2)]
    endpoint.scoring.ask(QUESTION, "v1", by_traffic=True)
    assert "azureml-model-deployment" not in endpoint.asked[0][0]


@pytest.mark.parametrize(
    "old", [answer_of("v0", 1, 0), answer_of("v0", 1, 2), (424, "", {"azureml-model-deployment": "v0"})]
)
def test_an_answer_of_the_deployment_before_is_not_ours_to_judge(endpoint, old):
    endpoint.answers = [old, answer_of("v1", 1, 2)]
    endpoint.scoring.ask(QUESTION, "v1", by_traffic=True)
    assert len(endpoint.asked) == 2


def test_a_wrong_answer_of_the_deployment_itself_is_not_asked_again(endpoint):
    endpoint.answers = [answer_of("v1", 1, 0)]
    with pytest.raises(DeploymentError, match="classified differently"):
        endpoint.scoring.ask(QUESTION, "v1", by_traffic=True)
    assert len(endpoint.asked) == 1


def test_traffic_that_never_comes_to_the_deployment_is_an_error(endpoint, monkeypatch):
    monkeypatch.setattr(questions, "GRACE_SECONDS", 0.05)
    endpoint.answers = [answer_of("v0", 1, 2)]
    with pytest.raises(DeploymentError, match="deployment v1: v0 still answers in its place"):
        endpoint.scoring.ask(QUESTION, "v1", by_traffic=True)


def test_other_classes_than_when_scored_are_an_error(endpoint):
    endpoint.answers = [answer(1, 0)]
    with pytest.raises(DeploymentError, match=r"deployment v1.* 1 of 2 images are classified differently"):
        endpoint.scoring.ask(QUESTION, "v1")


@pytest.mark.parametrize("text", ["{}", "not json", '{"predictions": [1]}', "[]"])
def test_an_answer_of_another_kind_is_an_error(endpoint, text):
    endpoint.answers = [(200, text, {})]
    with pytest.raises(DeploymentError, match="the answer is not ours"):
        endpoint.scoring.ask(QUESTION, "v1")


def test_too_few_answers_are_an_error(endpoint):
    endpoint.answers = [answer(1)]
    with pytest.raises(DeploymentError, match="1 answers for 2 images"):
        endpoint.scoring.ask(QUESTION, "v1")


@pytest.mark.parametrize("not_yet", [404, 429, 502, 503])
def test_a_deployment_that_is_not_there_yet_is_asked_again(endpoint, not_yet):
    endpoint.answers = [(not_yet, "later", {}), answer(1, 2)]
    endpoint.scoring.ask(QUESTION, "v1")
    assert len(endpoint.asked) == 2


def test_a_failing_script_is_not_asked_again(endpoint):
    endpoint.answers = [(424, "the script broke", {"ms-azureml-model-error-statuscode": "500"})]
    with pytest.raises(DeploymentError, match="status 500: the script broke"):
        endpoint.scoring.ask(QUESTION, "v1")
    assert len(endpoint.asked) == 1


def test_a_container_that_is_not_ready_yet_is_asked_again(endpoint):
    endpoint.answers = [(424, "no", {"ms-azureml-model-error-statuscode": "502"}), answer(1, 2)]
    endpoint.scoring.ask(QUESTION, "v1")


def test_a_refused_key_is_an_error_without_the_key(endpoint):
    endpoint.answers = [(401, "denied", {})]
    with pytest.raises(DeploymentError, match="status 401") as refused:
        endpoint.scoring.ask(QUESTION, "v1")
    assert "the-key" not in str(refused.value) + repr(endpoint.scoring)


def test_patience_ends(endpoint, monkeypatch):
    monkeypatch.setattr(questions, "GRACE_SECONDS", 0.05)
    endpoint.answers = [(503, "busy", {})]
    with pytest.raises(DeploymentError, match="status 503: busy"):
        endpoint.scoring.ask(QUESTION, "v1")


def test_an_endpoint_nobody_reaches_is_an_error(endpoint, monkeypatch):
    monkeypatch.setattr(questions, "GRACE_SECONDS", 0.05)
    scoring = Scoring("http://127.0.0.1:1/score", "the-key")
    with pytest.raises(DeploymentError, match="no answer"):
        scoring.ask(QUESTION, "v1")


def test_any_answer_will_do_for_a_request_of_the_users(endpoint, tmp_path):
    (tmp_path / "request.json").write_text('{"x": 1}')
    endpoint.answers = [(200, "fine", {})]
    endpoint.scoring.ask(question_from_file(tmp_path / "request.json"), "v1")
    assert endpoint.asked[0][1] == b'{"x": 1}'


def test_the_sample_of_a_score_step(tmp_path):
    sample = {"shape": [1, 1, 1], "images": ["AA==", "AQ=="], "labels": [0, 1], "predicted": [0, 2]}
    (tmp_path / "sample.json").write_text(json.dumps(sample))
    question = question_from_sample(tmp_path)
    assert json.loads(question.body) == {"images": ["AA==", "AQ=="]}
    assert question.expected == (0, 2)


def test_a_score_result_without_its_sample_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"sample\.json: missing"):
        question_from_sample(tmp_path)


@pytest.mark.parametrize("text", ["{", "{}", "[]", '{"images": [], "predicted": ["cat"]}'])
def test_a_broken_sample_is_refused(tmp_path, text):
    (tmp_path / "sample.json").write_text(text)
    with pytest.raises(ModelError, match=r"sample\.json: not a sample"):
        question_from_sample(tmp_path)


@pytest.mark.parametrize("text", [None, "{"])
def test_a_broken_request_is_refused(tmp_path, text):
    if text is not None:
        (tmp_path / "request.json").write_text(text)
    with pytest.raises(DeploymentError, match=r"request\.json"):
        question_from_file(tmp_path / "request.json")
