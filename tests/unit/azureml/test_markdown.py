"""Names and tags are other people's texts: none of them is read as Markdown."""

import pytest

from kfp_azureml.azureml.markdown import code, items, link


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a_b_c", "`a_b_c`"),
        ("<b>*x*</b> [y](z)", "`<b>*x*</b> [y](z)`"),
        ("one\n\n# two", "`one # two`"),
        ("`rm`", "`` `rm` ``"),
        ("a``b", "``` a``b ```"),
        ("", ""),
    ],
)
def test_a_text_is_shown_as_it_is(text, shown):
    assert code(text) == shown


def test_links_and_lists():
    assert link("net:1", "https://x/%28y%29") == "[`net:1`](https://x/%28y%29)"
    assert items({"stage": "trial", "empty": ""}) == "- `stage`: `trial`\n- `empty`: "
