"""The words of the pages: every message in both languages, none in a template."""

from __future__ import annotations

import ast
import re
import string
from pathlib import Path
from typing import get_args

import pytest

from voxpop.api import words
from voxpop.api.desk import company, review
from voxpop.api.desk.overview import SPANS as HEAT_SPANS
from voxpop.api.desk.silences import SPANS
from voxpop.api.desk.system import GROUPS
from voxpop.api.who import ROLES
from voxpop.jobs import JOBS
from voxpop.records import Factuality, OpinionLabel, Question
from voxpop.signals import meaning
from voxpop.signals.lifecycle import Kind, Notice, Phase
from voxpop.signals.severity import SEVERITIES
from voxpop.store.people import VERDICTS

TEMPLATES = sorted((Path(words.__file__).parents[1] / "templates").glob("*.html"))
SOURCES = sorted((Path(words.__file__).parents[1]).rglob("*.py"))

BEGINNINGS = {
    "severity_": SEVERITIES,
    "phase_": get_args(Phase),
    "move_": (*get_args(Kind), "commented"),
    "notice_": get_args(Notice),
    "label_": (*get_args(OpinionLabel), "unread", "other", *VERDICTS),
    "question_": get_args(Question),
    "how_": [how for how in get_args(Factuality) if how != "asserted"],
    "rule_": ("surge", meaning.RISK, meaning.STANDING, meaning.SLIDE, meaning.SPREAD, meaning.FEED, meaning.DRIFT),
    "span_": SPANS,
    "heat_": HEAT_SPANS,
    "order_": company.ORDERS,
    "reason_": review.REASONS,
    "group_": GROUPS,
    "job_": [job.name for job in JOBS],
    "job_state_": ("never", "fine", "late", "failed"),
    "role_": ROLES,
    "delivery_": ("waiting", "sent", "dropped"),
    "why_": ("nothing_read", "no_time", "never_watched"),
    "ask_": ("no_question", "no_answers"),
    "explain_": ("not_english", "not_explained"),
    "problem_": (),
    "note_": (),
    "gate_": (),
}
"""Of messages that a template names by a part of their key: what may follow."""


def places(message: str) -> set[str]:
    return {field for _, field, _, _ in string.Formatter().parse(message) if field}


def test_every_message_exists_in_both_languages_with_the_same_places() -> None:
    en, zh = words.table("en"), words.table("zh")
    assert en.keys() == zh.keys()
    assert {key: places(zh[key]) for key in en} == {key: places(en[key]) for key in en}
    assert [key for key in en if not en[key].strip() or not zh[key].strip()] == []


def test_chinese_is_chinese() -> None:
    same = {key for key, message in words.table("zh").items() if not re.search("[\u4e00-\u9fff]", message)}
    assert same == {"voxpop"}


def named(source: str) -> tuple[set[str], set[str]]:
    """The keys that a template asks for, and the beginnings of keys."""
    whole = set(re.findall(r"""\bt\(["'](\w+)["'][,)]""", source))
    either = re.findall(r"""\bt\(["'](\w+)["'] if .*? else ["'](\w+)["']\)""", source)
    begun = set(re.findall(r"""\b(?:t|word)\(["'](\w+_)["'] ?[+,]""", source))
    return whole | {key for pair in either for key in pair} - begun, begun


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: p.name)
def test_what_a_template_says_is_a_message(path: Path) -> None:
    whole, begun = named(path.read_text("utf-8"))
    table = words.table("zh")
    assert sorted(key for key in whole if key not in table and f"{key}_1" not in table) == []
    assert begun <= BEGINNINGS.keys()
    missing = [b + word for b in begun for word in BEGINNINGS[b] if b + str(word).replace(" ", "_") not in table]
    assert missing == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: p.name)
def test_no_word_stands_in_a_template(path: Path) -> None:
    source = re.sub(r"(?s)\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}", "", path.read_text("utf-8"))
    source = re.sub(r"(?s)<(code|pre)>.*?</\1>", "", source)  # commands
    shown = re.sub(r"(?s)<[^>]*>", " ", source)
    assert re.findall(r"[^\W\d_]{2,}", shown) == []
    attributes = re.findall(r"""(?:title|placeholder|aria-label|alt)="([^"{]+)\"""", path.read_text("utf-8"))
    assert [a for a in attributes if re.search("[a-z]{2}", a) and not a.startswith("2026-")] == []


def test_no_message_is_without_use() -> None:
    sources = [path.read_text("utf-8") for path in TEMPLATES]
    whole = set().union(*(named(source)[0] for source in sources))
    for path in SOURCES:
        whole |= {
            n.value
            for n in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(n, ast.Constant) and isinstance(n.value, str)
        }
    for source in sources:  # keys in lists and in the calls of macros
        whole |= set(re.findall(r"""["'](\w+)["']""", source))
    unused = [k for k in words.table("en") if k.removesuffix("_1") not in whole and not k.startswith(tuple(BEGINNINGS))]
    assert [k for k in unused if not k.startswith("unit_")] == []


@pytest.mark.parametrize(
    ("cookie", "accepted", "lang"),
    [
        (None, None, "en"),
        (None, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, "de-CH,en;q=0.4,zh;q=0.5", "zh"),
        (None, "zh;q=0,en", "en"),
        (None, "zhx,;q=,q;;q=a", "en"),
        ("en", "zh", "en"),
        ("xx", "zh", "zh"),
    ],
)
def test_the_language_is_what_was_chosen_or_else_what_the_browser_likes(
    cookie: str | None, accepted: str | None, lang: str
) -> None:
    assert words.chosen(cookie, accepted) == lang


def test_one_is_said_as_one() -> None:
    assert words.say("en", "n_comments", n=1) == "1 comment"
    assert words.say("en", "n_comments", n=1200) == "1,200 comments"
