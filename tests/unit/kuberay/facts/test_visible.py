"""Texts of others hide nothing, move nothing and start nothing."""

import pytest

from kuberay.facts.phrases import one_line
from kuberay.facts.visible import log_line, log_lines, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("memory 2G → 3G, “é”, 漢字 🔒", "memory 2G → 3G, “é”, 漢字 🔒"),
        ("two\nlines\r", r"two\nlines\r"),
        ("\x1b[2J\x9b1A\x7f", r"\x1b[2J\x9b1A\x7f"),
        ("\u202eexe\u2066\u200b\ufeff\xad", r"\u202eexe\u2066\u200b\ufeff\xad"),
        ("a\u00a0b\u2003c\u2028d", r"a\xa0b\u2003c\u2028d"),
        ("\u3164\u2800\ufe0f\U000e0041", r"\u3164\u2800\ufe0f\U000e0041"),
        ("1 א 2", r"1 \u05d0 2"),
        ("\udcff", r"\udcff"),
        (r"C:\x1b", r"C:\x1b"),
    ],
)
def test_what_cannot_be_seen_is_written_out_and_the_rest_stays(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert visible(shown) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("::add-mask::x", r"\x3a:add-mask::x"),
        ("  ::error file=a::x", r"  \x3a:error file=a::x"),
        ("dev\n::error::x", r"dev\n::error::x"),
        ("std::vector", "std::vector"),
        ("so ##[error]x", r"so #\x23[error]x"),
        ("###vso[task.complete]", r"##\x23vso[task.complete]"),
        ("## [a](b)", "## [a](b)"),
        ("\u200b::error::x", r"\u200b::error::x"),
    ],
)
def test_a_pipeline_finds_no_command_in_a_line(text: str, shown: str) -> None:
    assert log_line(text) == shown


def test_lines_stay_lines_and_each_is_safe() -> None:
    assert (
        log_lines("error:\r\n\t* refused\n::error::x\n\x1b[2J")
        == "error:\n    * refused\n\\x3a:error::x\n\\x1b[2J"
    )


def test_colours_of_a_log_go_and_nothing_else_of_it() -> None:
    assert one_line("\x1b[36m(train pid=7)\x1b[0m  loss\n\x1b[1;31m0.1\x1b[m") == "(train pid=7) loss 0.1"
    assert one_line("\x1b[\x1b[1m2J") == r"\x1b[2J"
