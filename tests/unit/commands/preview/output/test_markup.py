"""Texts of others in Markdown: words stay words, and all else is code."""

import pytest

from commands.preview.output.markup import cell, code, fenced, name, sentence


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("1 pod of workergroup restarts (memory 2G → 3G)", "1 pod of workergroup restarts (memory 2G → 3G)"),
        ("image rayproject/ray:2.46.0-py310, 30 % of it", "image rayproject/ray:2.46.0-py310, 30 % of it"),
        ("new: runs `python -c 'print(1)'`", "new: runs `python -c 'print(1)'`"),
        ("see (max_replicas), <!-- and `-c`.", "see (`max_replicas`), `<!--` and `-c`."),
        ("`a``b` <b>`x`", "`ab` `<b>x`"),
        ("a ` b", "a `` ` `` b"),
        ("- 1. 2) # > /merge == :---:", "`-` `1.` `2)` `#` `>` `/merge` `==` `:---:`"),
        (
            "@me #1 GH-1 %1 :lock: a:lock: www.x https://x 0123abc",
            "`@me` `#1` `GH-1` `%1` `:lock:` `a:lock:` `www.x` `https://x` `0123abc`",
        ),
        ("  ", "–"),
        ("", "–"),
    ],
)
def test_a_word_that_could_mean_more_is_code(text: str, written: str) -> None:
    assert sentence(text) == written


def test_a_name_with_spaces_is_one_piece() -> None:
    assert name("ray0") == "ray0"
    assert name("0; nothing changes") == "`0; nothing changes`"
    assert name("") == "–"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a b", "`a b`"),
        ("a`b", "``a`b``"),
        ("`", "`` ` ``"),
        (" a ", "`  a  `"),
        ("a``", "``` a`` ```"),
        ("", "–"),
    ],
)
def test_code_ends_where_its_text_ends(text: str, written: str) -> None:
    assert code(text) == written


def test_a_bar_ends_no_column() -> None:
    assert cell(sentence("a|b | c")) == r"`a\|b` `\|` c"


def test_a_long_text_leaves_room_for_others() -> None:
    assert len(sentence("x" * 100_000)) == len(name("x " * 50_000)) - 2 == 1000


def test_a_block_ends_where_it_ends() -> None:
    assert fenced(["a", "``` b ````", "/merge"], "diff") == "`````diff\na\n``` b ````\n /merge\n`````"
