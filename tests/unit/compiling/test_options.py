"""Options that Kubernetes or a registry would refuse are refused here, each in one line that names it."""

import pytest

from kfp_azureml.compiling.gpu import Gpu, Taint
from kfp_azureml.compiling.options import PipelineOptions
from kfp_azureml.runtime.errors import PipelineError


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"registry": "https://example.io"}, "registry 'https://example.io'"),
        ({"registry": "Example/Team"}, "registry 'Example/Team'"),
        ({"tag": "a b"}, "tag 'a b'"),
        ({"ml_digest": "sha256:12"}, "digest 'sha256:12'"),
        ({"azure_digest": "0.1.0"}, "digest '0.1.0'"),
        ({"ml_gpu_digest": f"sha256:{'a' * 64}"}, "no GPU"),
        ({"pull_secret": "My_Secret"}, "pull secret 'My_Secret'"),
        ({"retries": -1}, "retries -1"),
        ({"retries": 11}, "retries 11"),
        ({"timeouts": {"train": 0}}, "timeout of train 0"),
        ({"timeouts": {"train": 10**8}}, "timeout of train 100000000"),
        ({"ttl_seconds": 0}, "TTL 0"),
    ],
)
def test_a_bad_option_is_one_line(given: dict, named: str) -> None:
    with pytest.raises(PipelineError) as refused:
        PipelineOptions(**given)
    assert named in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"count": 0}, "GPU count 0"),
        ({"type": "gpu"}, "GPU type 'gpu'"),
        ({"node_selector": {"a b": "c"}}, "GPU node selector a b=c"),
        ({"node_selector": {"agentpool": "a/b"}}, "GPU node selector agentpool=a/b"),
    ],
)
def test_a_bad_gpu_is_one_line(given: dict, named: str) -> None:
    with pytest.raises(PipelineError, match=named):
        Gpu(**given)


@pytest.mark.parametrize(
    ("text", "taint"),
    [
        ("sku=gpu:NoSchedule", Taint("sku", "NoSchedule", "gpu")),
        ("nvidia.com/gpu:NoExecute", Taint("nvidia.com/gpu", "NoExecute")),
        ("a=:PreferNoSchedule", Taint("a", "PreferNoSchedule", "")),
    ],
)
def test_taints_are_written_as_kubectl_writes_them(text: str, taint: Taint) -> None:
    assert Taint.parse(text) == taint


@pytest.mark.parametrize("text", ["", "sku", "sku=gpu", "sku=gpu:Never", "=gpu:NoSchedule", "sku=gpu:NoSchedule "])
def test_what_is_no_taint_is_one_line(text: str) -> None:
    with pytest.raises(PipelineError, match="GPU taint"):
        Taint.parse(text)
