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


@pytest.mark.parametrize("ending", [") [here](https://evil.example", ' "title"', "\n# Title", "<b>"])
def test_nothing_in_a_url_ends_its_link(ending):
    shown = link("net:1", f"https://adb-1.2.azuredatabricks.net/?o=1#job/7{ending}")
    assert shown.startswith("[`net:1`](https://adb-1.2.azuredatabricks.net/?o=1#job/7%")
    assert not set(shown[shown.index("](") + 2 : -1]) & set(' ()<>\n"')


def test_links_and_lists():
    assert link("net:1", "https://x/%28y%29") == "[`net:1`](https://x/%28y%29)"
    assert items({"stage": "trial", "empty": ""}) == "- `stage`: `trial`\n- `empty`: "
