"""Documents a second that one core prepares: cleaned, masked, language known, linked, and signed for near-repeats.

    python benchmarks/prepare.py [DOCUMENTS]

The texts are composed of clauses written here, half English and half Chinese, 117 words (a Chinese character being one)
on average. Each step is timed alone over all texts; the sum is what a document costs. The second table names the
functions that cost most, as the profiler sees them.
"""

from __future__ import annotations

import cProfile
import pstats
import random
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from time import perf_counter
from typing import TypeVar

from rich.console import Console
from rich.table import Table

from voxpop.text import stories, watchlist
from voxpop.text.clean import Cleaned, clean
from voxpop.text.entities import Linker
from voxpop.text.language import detect
from voxpop.text.mask import mask_document

ENGLISH = """\
shares of the lender closed {n} percent lower on Tuesday
the regulator asked for documents about {n} accounts
analysts at two brokerages doubted the guidance
Apple and Tesla suppliers reported weaker orders
a spokesman said the company would <b>cooperate</b> fully
customers complained about the app for the third day
the union called {n},000 workers out at the northern plant
the board will meet again on 2024-03-{n} to discuss the offer
investors sold $TSLA and bought bonds instead
for questions write to press@example.com or call 212-555-0{n}0
AT&amp;T declined to comment, see https://example.com/a?utm_source=feed&id={n}
management expects demand to recover in the second half
nobody could say when deliveries would resume
the auditor found no evidence of the missing cash
prices rose faster than wages for the {n}th month""".splitlines()
CHINESE = """\
公司股价周二收盘下跌{n}%
监管部门要求提供{n}个账户的资料
两家券商的分析师质疑业绩指引
腾讯与比亚迪的供应商称订单减少
发言人表示将<b>全面</b>配合调查
用户连续第三天投诉应用无法登录
工会号召北方工厂{n}千名工人罢工
董事会将于2024年3月{n}日再次开会讨论收购要约
投资者抛售$贵州茅台(SH600519)$转而买入债券
媒体垂询请致电010-623456{n}或发邮件至press@example.cn
详情见https://example.cn/a?spm=1.2&amp;id={n}
管理层预计下半年需求将有所恢复
没有人能说明何时恢复交付
审计机构未发现现金缺失的证据
物价涨幅连续第{n}个月超过工资涨幅""".splitlines()

WORDS = 117
Out = TypeVar("Out")


def compose(count: int, seed: int = 1) -> list[tuple[str, str]]:
    """``count`` pairs of title and body; every second one is Chinese."""
    rng = random.Random(seed)
    return [_document(rng, *((ENGLISH, ". ", 8.2) if i % 2 else (CHINESE, "，", 13.5))) for i in range(count)]


def _document(rng: random.Random, clauses: list[str], joint: str, length: float) -> tuple[str, str]:
    size = max(2, round(rng.gammavariate(3.0, WORDS / length / 3.0)))
    chosen = [rng.choice(clauses).format(n=rng.randrange(10, 29)) for _ in range(size)]
    return chosen[0], joint.join(chosen[1:])


def timed(step: Callable[..., Out], rows: Iterable[tuple[object, ...]]) -> tuple[list[Out], float]:
    """Results of ``step`` on every row, and seconds."""
    start = perf_counter()
    results = [step(*row) for row in rows]
    return results, perf_counter() - start


def run(documents: list[tuple[str, str]], linker: Linker) -> list[tuple[str, float]]:
    """(step, seconds) for each step over all documents."""
    now = datetime(2024, 3, 15, tzinfo=UTC)

    def link(text: str, title_end: int, lang: str) -> object:
        return linker.link(text, title_end=title_end, published_at=now, lang=lang)  # type: ignore[arg-type]

    cleaned, t_clean = timed(clean, documents)
    masked, t_mask = timed(mask_document, [tuple(Cleaned(*row)) for row in cleaned])
    languages, t_language = timed(detect, [(text,) for text, _ in masked])
    _, t_link = timed(link, [(*row, lang) for row, lang in zip(masked, languages, strict=True)])
    words, t_words = timed(stories.normalise, masked)
    _, t_bands = timed(stories.bands, [(row,) for row in words])
    print(f"mean words a document: {sum(len(row.split()) for row in words) / len(words):.1f}")
    names = ("clean", "mask", "language", "link", "normalise", "bands")
    return list(zip(names, (t_clean, t_mask, t_language, t_link, t_words, t_bands), strict=True))


def report(steps: list[tuple[str, float]], count: int) -> Table:
    """Microseconds a document by step, and documents a second with and without linking."""
    table = Table("step", "µs a document", title=f"Preparing {count} documents on one core")
    for name, seconds in steps:
        table.add_row(name, f"{seconds / count * 1e6:.0f}")
    total = sum(seconds for _, seconds in steps)
    alone = total - dict(steps)["link"]
    table.add_row("all", f"{total / count * 1e6:.0f}  ({count / total:.0f} documents/s)")
    table.add_row("all but link", f"{alone / count * 1e6:.0f}  ({count / alone:.0f} documents/s)")
    return table


def profile(documents: list[tuple[str, str]], linker: Linker) -> Table:
    """The ten functions with the most time of their own."""
    profiler = cProfile.Profile()
    profiler.enable()
    run(documents, linker)
    profiler.disable()
    table = Table("function", "calls", "own µs a document", title="Profile (the profiler slows small functions)")
    rows = sorted(pstats.Stats(profiler).stats.items(), key=lambda row: -row[1][2])  # type: ignore[attr-defined]
    for (file, _, name), (_, calls, own, _, _) in rows[:10]:
        place = name if file == "~" else f"{file.rpartition('/')[2]} {name}"
        table.add_row(place, str(calls), f"{own / len(documents) * 1e6:.1f}")
    return table


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    documents, linker = compose(count), Linker(watchlist.shipped())
    run(documents[:200], linker)  # what is loaded lazily is loaded now
    console = Console()
    console.print(report(run(documents, linker), count))
    console.print(profile(documents[: count // 5], linker))


if __name__ == "__main__":
    main()
