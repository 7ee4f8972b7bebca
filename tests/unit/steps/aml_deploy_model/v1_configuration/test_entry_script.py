import pytest

from kfp_azureml.runtime.errors import DeploymentError
from kfp_azureml.steps.aml_deploy_model.v1_configuration.entry_script import check_entry_script


@pytest.fixture
def check(tmp_path):
    def call(text, **files):
        for name, content in {"score": text, **files}.items():
            path = tmp_path / f"{name}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(content)
        return check_entry_script(tmp_path / "score.py", tmp_path)

    return call


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import json\nfrom azureml.core.model import Model", r"score\.py line 2: imports azureml\.core\.model\.Model"),
        ("import azureml.core", r'line 1: imports azureml\.core, .*os\.environ\["AZUREML_MODEL_DIR"\]'),
        ("from azureml import core", r"imports azureml\.core"),
        ("def init():\n    from azureml.core import Workspace", "line 2"),
        ("from azureml.monitoring import ModelDataCollector", r"use Collector of azureml\.ai\.monitoring"),
        ("print 'x'", r"score\.py line 1: not Python 3"),
        ("x = " + "(" * 5000, "not Python 3"),
    ],
)
def test_sdk_v1_and_python_2_are_refused(check, text, said):
    with pytest.raises(DeploymentError, match=said) as refused:
        check(text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "from azureml.contrib.services.aml_request import rawhttp",  # the server has it
        "import azureml_core_of_mine, azureml.corelib",
        "x = 'azureml.core'  # azureml.core",
    ],
)
def test_what_only_looks_like_it_is_not(check, text):
    assert not check(text)


def test_modules_that_the_script_imports_are_read_and_others_are_not(check):
    with pytest.raises(DeploymentError, match=r"helper/deep\.py line 1: imports azureml\.core"):
        check(
            "import helper.deep",
            **{"helper/__init__": "", "helper/deep": "import azureml.core", "training": "import azureml.core"},
        )
    assert not check("import json", training="import azureml.core")


def test_modules_may_import_each_other_and_collect(check):
    assert check("import a", a="import b", b="import a\nfrom azureml.ai.monitoring import Collector")
