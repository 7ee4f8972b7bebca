"""Names of files that come from the storage."""

import pytest

from kfp_azureml.azureml.model_download.file_names import check_file_names
from kfp_azureml.runtime.errors import ModelError


def test_ordinary_names_are_fine() -> None:
    check_file_names(["a", "b/c", "b/d", "..hidden", "a b", "ümlaut", "Name.With-dots_1", "b.txt"], "model m")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["../escaped"], "has an empty part, '.' or '..' in its path"),
        (["a/../b"], "'..' in its path"),
        (["a//b"], "has an empty part"),
        (["a/"], "has an empty part"),
        (["./a"], "'.'"),
        ([""], "has an empty part"),
        (["/etc/passwd"], "is an absolute path"),
        (["C:evil"], "contains a backslash or a drive letter"),
        (["a\\b"], "contains a backslash"),
        (["a\nb"], "contains a control character"),
        (["a\x1b[31m"], "contains a control character"),
        (["a\u202eb"], "contains a control character"),
        (["x" * 256], "more than 255 bytes"),
        (["ü" * 128], "more than 255 bytes"),
        (["Weights", "weights"], "'Weights' and 'weights' have the same name"),
        (["\u00e9", "e\u0301"], "have the same name"),
        (["a", "a/b"], "'a' is a file, and the folder of 'a/b'"),
        (["A", "a/b"], "'A' is a file, and the folder of 'a/b'"),
    ],
)
def test_others_are_refused_in_one_line(names: list[str], said: str) -> None:
    with pytest.raises(ModelError, match=r"^model m: ") as refused:
        check_file_names(names, "model m")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "\x1b" not in str(refused.value)
