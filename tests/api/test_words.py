"""The words of the pages: every message in both languages, none in a template."""

from __future__ import annotations

import ast
import re
import string
from pathlib import Path
from typing import get_args

import pytest

from voxpop import records, stages, why
from voxpop.api import details, figures, refusals, words
from voxpop.api.desk import company, review
from voxpop.api.desk.overview import SPANS as HEAT_SPANS
from voxpop.api.desk.silences import SPANS
from voxpop.api.desk.system import GROUPS
from voxpop.api.who import ROLES
from voxpop.jobs import JOBS
from voxpop.log import kafka
from voxpop.records import Factuality, OpinionLabel, Question
from voxpop.signals import drift, meaning
from voxpop.signals.lifecycle import ByPerson, Kind, Notice, Phase
from voxpop.signals.severity import SEVERITIES
from voxpop.sources import door, files, layouts, lines
from voxpop.store import access
from voxpop.store.people import VERDICTS
from voxpop.text import watchlist
from voxpop.worker import member

TEMPLATES = sorted((Path(words.__file__).parents[1] / "templates").glob("*.html"))
SOURCES = sorted((Path(words.__file__).parents[1]).rglob("*.py"))

DEEDS = {
    node.args[2].value
    for path in [*SOURCES, Path(access.__file__)]
    for node in ast.walk(ast.parse(path.read_text("utf-8")))
    if isinstance(node, ast.Call)
    and getattr(node.func, "id", getattr(node.func, "attr", "")) == "audit"
    and isinstance(node.args[2], ast.Constant)
    and isinstance(node.args[2].value, str)
} | {f"alert {kind}" for kind in get_args(ByPerson)}
"""What stands in the audit trail."""

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
    "why_": ("nothing_read", "no_time", "never_watched", "several_called"),
    "ask_": ("no_question", "no_answers"),
    "explain_": ("not_read", "not_explained"),
    "problem_": (),
    "note_": (),
    "gate_": (),
    "did_": DEEDS,
    "detail_": details.DETAILS,
    "figure_": (),
    "noted_": (),
    "refused_": refusals.REASONS,
    "kind_": ("null", "true or false", "text", "a list", "an object", "a number"),
    "stage_": ("ingest", "prepare", "analyse", *GROUPS),
    "sector_": {entity.sector for entity in watchlist.shipped()},
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


def test_every_figure_of_a_gate_is_a_message() -> None:
    keys = set()
    for node in ast.walk(ast.parse(Path(why.__file__).read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_figure":
            first = node.args[0]
            keys |= {n.value for n in ast.walk(first) if isinstance(n, ast.Constant)}
    known = {key.removesuffix("_1").removeprefix("figure_") for key in words.table("zh") if key.startswith("figure_")}
    assert keys == known


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ("silence 3f9a1c02 by jane: the sale: known", "静默 3f9a1c02，由 jane 设定：the sale: known"),
        ("silence 3f9a1c02 by jane", "静默 3f9a1c02，由 jane 设定"),
        ("silence 3f9a1c02 by ops:night: the sale", "静默 3f9a1c02，由 ops:night 设定：the sale"),
        ("silence 3f9a1c02 by ops:night", "静默 3f9a1c02，由 ops:night 设定"),
        ("the critical alert 3f9a is about the same", "严重预警 3f9a 所述相同"),
        ("history: it was first seen more than 24 hours late", "历史数据：发现时已晚于 24 小时"),
        ("dropped by jane when sending was released", "恢复发送时由 jane 放弃"),
        ("the alerts file names no receiver 'desk' any more", "预警配置中已没有接收方“desk”"),
        ("desk answered 503: ", "desk 返回 503"),
        ("desk answered 400: no such room", "desk 返回 400：no such room"),
        ("no route takes it", "没有匹配的通知路由"),
        ("critical", "严重"),
        ("what a receiver says of itself", "what a receiver says of itself"),
        ("invalid_auth: chat_id is missing", "invalid_auth: chat_id is missing"),
        ("desk answered 500: InternalServerError: no", "desk 返回 500：InternalServerError: no"),
        ("desk: ConnectError: [Errno 111] refused", "无法连接 desk（ConnectError）：[Errno 111] refused"),
        ("desk: it did not take the message", "desk 未接受该消息"),
    ],
)
def test_a_note_that_is_stored_in_english_is_said_in_chinese_but_for_the_words_of_others(
    stored: str, said: str
) -> None:
    assert figures.note("zh", stored) == said


def sentences(node: ast.expr) -> list[str]:
    """What an expression writes, with a 7 in each of its places; nothing where it is no literal."""
    match node:
        case ast.Constant(value=str(written)):
            return [written]
        case ast.IfExp(body=body, orelse=orelse):
            return sentences(body) + sentences(orelse)
        case ast.FormattedValue(value=ast.IfExp() as value):
            return sentences(value)
        case ast.FormattedValue():
            return ["7"]
        case ast.JoinedStr(values=values):
            return _joined(values)
    return []


def _joined(values: list[ast.expr]) -> list[str]:
    found = [""]
    for value in values:
        found = [before + part for before in found for part in sentences(value)]
    return found


DOORS = [door, files, lines, layouts, stages, kafka, member, records]
"""Where what is refused gets its reason."""


def reasons() -> set[str]:
    """Every reason of a dead letter that stands in our code."""
    found: set[str] = set()
    for module in DOORS:
        for node in ast.walk(ast.parse(Path(str(module.__file__)).read_text("utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id="Refused"), args=[first, *_]):
                    found |= set(sentences(first))
                case ast.Call(func=ast.Name(id="Line"), args=[_, _, first]):
                    found |= set(sentences(first))
                case ast.Call(func=ast.Attribute(attr="letter"), args=[_, first]):
                    found |= set(sentences(first))
                case ast.Assign(targets=[ast.Name(id="reason" | "fault") | ast.Attribute(attr="failure")], value=value):
                    found |= set(sentences(value)) - {""}
    return found


def test_every_reason_for_which_something_is_refused_is_said_in_chinese() -> None:
    found = reasons()
    assert len(found) >= len(refusals.REASONS) - 2
    assert [reason for reason in sorted(found) if refusals.said("zh", reason) == reason] == []
    assert [reason for reason in found if refusals.said("en", reason) != reason] == []
    unused = [key for key, form in refusals.REASONS.items() if not any(re.fullmatch(form, said) for said in found)]
    assert unused == ["no_such_date_map"], "whose end is another variable's"
    table = {key.removeprefix("refused_") for key in words.table("zh") if key.startswith("refused_")}
    assert table - {"headless", "no_utf8_said"} == refusals.REASONS.keys()


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("published_at '1' has no zone: add Z or an offset such as +08:00", "published_at '1' 没有时区："),
        (
            "revised_at '1.2.' does not read as iso; [formats] of the map can name another",
            "revised_at '1.2.' 不符合 iso；",
        ),
        ("reach is a list, not a whole number", "reach 为列表，而非整数。"),
        ("two columns have the same name; nothing was read without a header row", "有两列同名。没有标题行，"),
        ("the line is not UTF-8: 'utf-8' codec", "该行不是 UTF-8：'utf-8' codec"),
        ("Traceback (most recent call last):\n ...", "Traceback (most recent call last):\n ..."),
    ],
)
def test_a_reason_keeps_its_values_and_what_others_say_its_words(reason: str, said: str) -> None:
    assert refusals.said("zh", reason).startswith(said)


def test_what_drifted_is_said_in_chinese() -> None:
    written = drift.moved({"negative": 6, "neutral": 4}, {"negative": 1, "neutral": 9})
    assert figures.moved("zh", written) == "负面 60%（通常 10%）、中性 40%（通常 90%）"


@pytest.mark.parametrize(
    ("detail", "said"),
    [
        ("alert 3f9a is acknowledged already", "该预警已有人确认。"),
        ("nobody watches Acme Corp", "未监测“Acme Corp”。"),
        ("nobody ever watched 'acme'", "未监测“acme”。"),
        ("this takes the role analyst; jane has viewer", "此操作需要 analyst 角色。"),
        ("what no pattern knows", "what no pattern knows"),
    ],
)
def test_why_something_was_not_done_is_said_in_chinese(detail: str, said: str) -> None:
    assert details.said("zh", detail) == said
    assert details.said("en", detail) == detail


def test_every_pattern_of_an_error_and_of_a_note_has_its_message_and_no_other_has() -> None:
    table = words.table("zh").keys()
    assert {f"detail_{key}" for key in details.DETAILS} == {key for key in table if key.startswith("detail_")}
    begun = {key.removesuffix("_reason").removesuffix("_said") for key in table if key.startswith("noted_")}
    assert {f"noted_{key}" for key in figures.NOTES} == begun


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
