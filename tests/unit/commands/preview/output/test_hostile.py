"""Whatever somebody has written into a value: the report keeps its form, and a terminal
and a log show it and do nothing else.
"""

import json
import random
import re
import typing
from collections.abc import Iterator
from functools import cache
from itertools import count, cycle
from types import UnionType
from typing import Any, Literal

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from pydantic import BaseModel

from commands.doctor.finding import Finding
from commands.preview.meaning.report import Report, StackReport
from commands.preview.output.files import as_json
from commands.preview.output.markdown import COMMENT_LIMIT, markdown
from commands.preview.output.markup import cell, code
from commands.preview.output.terminal import terminal
from kuberay.checks.loading import SettingsError, load_plan
from kuberay.checks.messages import Problem, problem_line
from kuberay.facts.phrases import one_line
from kuberay.facts.visible import log_line, log_lines, visible
from kuberay.settings.stack import StackSettings
from tests.stack_config import as_config

#: What does something somewhere: in Markdown, on GitHub or GitLab, in a terminal, in a
#: log, to a reader's eyes.
PARTS = [
    *[
        "<!--",
        "-->",
        "<details>",
        "</details>",
        "<script>",
        "</summary>",
        "&lt;",
        "<img src=x>",
        "<https://evil.example>",
    ],
    *[
        "[a](https://evil.example)",
        "![a](x)",
        "[x]: https://evil.example",
        "[^1]",
        "[ ]",
        "[[_TOC_]]",
        "http://x.example",
        "www.x.example",
    ],
    *[
        "@admin",
        "@org/team",
        "#12",
        "GH-12",
        "!12",
        "&12",
        "%12",
        "~label",
        "$1",
        ":tada:",
        "me/repo#1",
        "a@b.example",
        "0123456789abcdef",
    ],
    *[
        "**",
        "__",
        "_x_",
        "*",
        "~~",
        "`",
        "``",
        "```",
        "`x`",
        "````",
        "~~~",
        "\\",
        "\\|",
        "|",
        "||",
        "| --- |",
        ":---:",
        "$x$",
        "$`x`$",
    ],
    *[
        "# x",
        "> x",
        "- x",
        "+ x",
        "1. x",
        "2)",
        "---",
        "===",
        "***",
        "/merge",
        "/approve",
        "    x",
        "-",
        "=",
        "nothing changes",
        "⚪",
    ],
    *[
        "\n",
        "\r",
        "\r\n",
        "\t",
        "\v",
        "\f",
        "\x00",
        "\x08",
        "\x7f",
        "\x85",
        "\u2028",
        "\u2029",
        "\x1b[2J",
        "\x1b]0;x\x07",
        "\x1b[1A",
        "\x9b31m",
    ],
    *[
        "\u202e",
        "\u2066",
        "\u2069",
        "\u200b",
        "\u200d",
        "\ufeff",
        "\u00ad",
        "\u3164",
        "\u2800",
        "\ufe0f",
        "\u00a0",
        "\U000e0041",
        "שלום",
    ],
    *[
        "::add-mask::x",
        "::error::x",
        "::stop-commands::x",
        "##[error]",
        "##vso[task.complete]",
        "###[group]",
        "section_start:1:x\r\x1b[0K",
    ],
    *[
        "plain",
        "ray0",
        "2.46.0",
        "memory 2G → 3G",
        "é",
        "e\u0301",
        "漢字",
        " ",
        "  ",
        ", ",
        "(",
        ")",
        '"',
        "'",
        "{",
        "}",
    ],
]
#: What no terminal and no log is to be given: controls, but for the end of a line, and
#: what is not seen or turns the direction.
ACTS = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\xa0\xad\u0590-\u08ff\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\U000e0000-\U000e0fff]"
)
COMMAND = re.compile(r"^\s*::|##\w*\[", re.MULTILINE)
#: What a reader's eyes, GitHub or GitLab find in a text that is not code.
MEANS = re.compile(
    r"[@#!~$<>&\\|*_^{}`\[\]]|://|www\.|\bgh-\d|%\d|:[\w+-]+:|\b[0-9a-f]{7,40}\b", re.IGNORECASE
)

TAGS = re.compile(r"</?\w+")

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


@cache
def hostile_texts() -> list[str]:
    """Each of the parts alone, and many together; always the same."""
    chance = random.Random(18)  # noqa: S311
    mixed = ("".join(chance.choices(PARTS, k=chance.randint(2, 6))) for _ in range(1500))
    return [text for text in dict.fromkeys([*PARTS, *mixed, *(part * 50 for part in PARTS)]) if text.strip()]


def filled(annotation: Any, texts: Iterator[str], numbers: Iterator[int]) -> Any:
    """A value of a type, with the next text wherever one may stand; of a model with
    every field.
    """
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation(
            **{
                name: filled(field.annotation, texts, numbers)
                for name, field in annotation.model_fields.items()
            }
        )
    if origin is Literal:
        return arguments[next(numbers) % len(arguments)]
    if origin in (typing.Union, UnionType):
        return filled(arguments[0], texts, numbers)
    if origin is list:
        return [filled(arguments[0], texts, numbers) for _ in range(2)]
    if origin is dict:
        return {filled(arguments[0], texts, numbers): filled(arguments[1], texts, numbers)}
    return next(texts) if annotation is str else annotation(next(numbers))


def report_with(texts: Iterator[str], stacks: int) -> Report:
    numbers = count()
    report = Report(level="changes", stacks=[filled(StackReport, texts, numbers) for _ in range(stacks)])
    return report.model_copy(
        update={"left_out": filled(Report.model_fields["left_out"].annotation, texts, numbers)}
    )


@cache
def hostile() -> Report:
    """With each of the texts in it several times, in fields of several kinds."""
    in_one = count()
    report_with(map(str, in_one), 1)
    return report_with(cycle(hostile_texts()), 3 * len(hostile_texts()) // next(in_one))


@cache
def harmless() -> Report:
    return report_with((f"word{number}" for number in count()), len(hostile().stacks))


@cache
def tokens(*, of_hostile: bool) -> list[Token]:
    return parsed(markdown(hostile() if of_hostile else harmless(), title="What a merge does"))


def parsed(text: str) -> list[Token]:
    return PARSER.parse(text.replace("\u00a0", " "))


def inlines(found: list[Token]) -> list[Token]:
    return [child for token in found for child in token.children or []]


def meaning(found: list[Token]) -> list[str]:
    """Texts, outside of code, in which somebody finds more."""
    return [token.content for token in inlines(found) if token.type == "text" and MEANS.search(token.content)]


def test_there_are_a_thousand_hostile_texts_in_every_kind_of_field() -> None:
    assert len(hostile_texts()) > 1000
    data = json.dumps(hostile().model_dump(), ensure_ascii=False)
    assert all(json.dumps(text, ensure_ascii=False)[1:-1] in data for text in hostile_texts())


def test_headings_tables_lists_and_folds_are_those_of_a_harmless_report() -> None:
    def form(found: list[Token]) -> list[tuple[str, str, str, int]]:
        return [
            (
                one.type,
                one.info,
                " ".join(TAGS.findall(one.content if one.type == "html_block" else "")),
                one.level,
            )
            for one in found
        ]

    assert form(tokens(of_hostile=True)) == form(tokens(of_hostile=False))


def test_nothing_of_a_value_is_markup_a_link_or_a_mention() -> None:
    def form(found: list[Token]) -> list[str]:
        return [one.type for one in inlines(found) if one.type not in ("text", "code_inline")]

    assert form(tokens(of_hostile=True)) == form(tokens(of_hostile=False))
    assert {*form(tokens(of_hostile=True))} == {"strong_open", "strong_close"}
    assert meaning(tokens(of_hostile=True)) == []


def test_folds_hold_no_text_of_others() -> None:
    folds = {one.content for one in tokens(of_hostile=True) if one.type == "html_block"}
    assert [fold for fold in folds if not re.fullmatch(r"(</?(details|summary)>|[\w :;,()]|\n)+", fold)] == []


def test_code_shows_the_text_as_it_is_in_a_list_and_in_a_table() -> None:
    texts = [visible(text)[:1000] for text in hostile_texts()]
    items = parsed("\n".join(f"- {code(text)}" for text in texts))
    rows = parsed("| a |\n| --- |\n" + "\n".join(f"| {cell(code(text))} |" for text in texts))
    for found in (items, rows):
        assert [token.content for token in inlines(found) if token.type == "code_inline"] == texts


def test_a_comment_is_cut_where_no_code_is_cut() -> None:
    whole = markdown(hostile(), title="What a merge does")
    for limit in (COMMENT_LIMIT, 20_000, 1_000):
        text = markdown(hostile(), title="What a merge does", limit=limit)
        assert len(text) <= limit < len(whole)
        assert meaning(parsed(text)) == []


def test_a_terminal_shows_each_text_and_does_what_none_says() -> None:
    bad, good = (terminal(report, colours=False) for report in (hostile(), harmless()))
    assert not ACTS.search(bad)
    assert not COMMAND.search(bad)
    assert len(bad.split("\n")) == len(good.split("\n"))
    assert "\x1b[33m" in terminal(hostile(), colours=True)


def test_data_is_read_as_it_was_and_harms_no_log() -> None:
    text = as_json(hostile())
    assert Report.model_validate_json(text) == hostile()
    assert text.isascii()
    assert not ACTS.search(text)
    assert not COMMAND.search(text)


def written(annotation: Any, texts: Iterator[str]) -> Any:
    """What a stack file may have for a type, with the next text wherever one may stand,
    and as one more key.
    """
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = annotation.model_fields.items()
        known = {field.alias or name: written(field.annotation, texts) for name, field in fields}
        return known | {next(texts): next(texts)}
    if origin in (typing.Union, UnionType):
        ways = [written(each, texts) for each in arguments if each is not type(None)]
        return next((way for way in ways if not isinstance(way, str)), ways[0])
    if origin is list:
        return [written(arguments[0], texts)]
    if origin is dict:
        return {next(texts): written(arguments[1], texts)}
    return written(arguments[0], texts) if origin is typing.Annotated else next(texts)


def test_what_is_wrong_with_a_setting_is_a_line_that_does_nothing() -> None:
    texts, told = cycle(hostile_texts()), 0
    for _ in range(10):
        with pytest.raises(SettingsError) as error:
            load_plan(as_config(written(StackSettings, texts)))
        told += len(error.value.problems)
        for line in error.value.problems:
            assert "\n" not in line
            assert not ACTS.search(line)
            assert not COMMAND.search(line)
    assert told > 3 * len(hostile_texts())


def test_lines_of_logs_stay_lines() -> None:
    for text in hostile_texts():
        finding = Finding("wrong", text, text, text)
        problem = Problem(("clusters", text), text, f"is refused: {text}")
        for line in (log_line(finding), log_line(text), problem_line(problem, set()), one_line(text)):
            assert not ACTS.search(line)
            assert "\n" not in line
        for line in (
            log_line(finding),
            log_line(text),
            problem_line(problem, set()),
            *log_lines(text).split("\n"),
        ):
            assert not ACTS.search(line)
            assert not COMMAND.search(line)
