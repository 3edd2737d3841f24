"""What ``notice.py`` hands in: a quiet trickle, and now and then a dozen people who are angry at one company.

A surge consists of two clauses a post. Any two posts of all surges share one of them at most, so each is a story of
its own.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from voxpop.records import Entity
from voxpop.text.entities import Linker

COMPANIES = 40
POSTS, WITHIN = 12, 8.0
"""Posts of a surge, and the seconds that they take."""
EVERY, JITTER = 20.0, 5.0
"""Seconds from one surge to the next, and by how much that differs, so that no surge keeps step with a job."""
PAUSE = 4.0
"""Seconds from one item about nobody to the next."""

_COMPLAINTS = (
    "Sales at {name} fell for the third quarter in a row",
    "Customers of {name} are leaving in droves",
    "{name} missed every one of its own targets again",
    "The new product of {name} is a bitter disappointment",
    "Margins at {name} shrank far more than anybody had feared",
    "Nobody answers the phone at {name} any more",
    "{name} raised its prices and ruined its name with old buyers",
    "Orders at {name} have dried up since the summer",
    "Quality at {name} is getting worse with every year",
    "{name} lost market share in all of its regions",
    "The latest outlook of {name} is bleak",
    "{name} wasted a fortune on a project that failed",
    "Service at {name} was dreadful all week",
    "Growth at {name} has stalled and costs keep climbing",
    "Suppliers complain that {name} treats them badly",
    "{name} disappointed everybody with weak figures",
    "The strategy of {name} is in tatters",
    "Analysts have lost patience with {name}",
)
_CONSEQUENCES = (
    "the shares tumble and no floor is in sight.",
    "I sold everything I had this morning, angry and poorer.",
    "a terrible year is about to get worse.",
    "the board has no answer and it shows.",
    "loyal buyers feel cheated and say so loudly.",
    "this is the worst I have seen in ten years.",
    "rivals laugh while the decline goes on.",
    "nothing but excuses came from the top.",
    "holders are furious about the heavy losses.",
    "I would not touch this stock with a pole.",
    "confidence is gone and will not return soon.",
    "the slump deepens from week to week.",
    "what a shameful mess this has become.",
    "expect more pain before anything improves.",
    "investors flee and the price sinks.",
    "the damage to trust is hard to repair.",
    "every hope of a recovery was dashed.",
    "the warnings were ignored for far too long.",
)
MOST_SURGES = len(_COMPLAINTS) * len(_CONSEQUENCES) // POSTS
_QUIET = (
    "Clouds over the hills will clear by {n} past noon",
    "Bus number {n} takes the lower bridge this week",
    "Room {n} of the museum shows maps of old harbours",
    "The choir sang {n} songs and the hall was full",
    "Our neighbour grew {n} tomatoes on one balcony",
    "Trail {n} through the forest is open again",
)
_USUAL = (
    "{name} will publish its figures on the {n}th, says its calendar.",
    "{name} opens an office with {n} desks in the old town.",
    "A talk by somebody from {name} takes place in room {n}.",
)


class Due(NamedTuple):
    """An item that is handed in so many seconds after the start."""

    after: float
    author: str
    text: str
    surge: int | None = None


def companies(entities: Sequence[Entity], linker: Linker, now: datetime) -> list[Entity]:
    """The first companies whose name stands for them alone in every complaint."""

    def known(entity: Entity) -> bool:
        texts = [line.format(name=entity.name) for line in _COMPLAINTS]
        return all(
            {m.entity for m in linker.link(one, title_end=0, published_at=now, lang="en")} == {entity.id}
            for one in texts
        )

    return [entity for entity in entities if known(entity)][:COMPANIES]


def stream(of: Sequence[Entity], surges: int, usual_an_hour: float, seed: int = 1) -> list[Due]:
    """All items by time: surge n is about company n.

    Args:
        of: the companies.
        surges: at most ``MOST_SURGES``.
        usual_an_hour: stories an hour about all companies together when nothing happens.
    """
    order = random.Random(seed)
    begins = [EVERY * n + order.uniform(-JITTER, JITTER) for n in range(1, surges + 1)]
    found = [due for n, at in enumerate(begins) for due in _surge(n, at, of[n].name)]
    found += _trickle(order, of, EVERY * (surges + 1), usual_an_hour)
    return sorted(found)


def _surge(number: int, begins: float, name: str) -> list[Due]:
    posts = []
    for n in range(POSTS):
        row, column = divmod(number * POSTS + n, len(_COMPLAINTS))
        what, then = _COMPLAINTS[column], _CONSEQUENCES[(row + column) % len(_CONSEQUENCES)]
        text = f"{what.format(name=name)}, {then}"
        posts.append(Due(begins + WITHIN * n / (POSTS - 1), f"angry-{number}-{n}", text, number))
    return posts


def _trickle(order: random.Random, of: Sequence[Entity], seconds: float, usual_an_hour: float) -> list[Due]:
    quiet = [
        Due(PAUSE * n, f"calm-{n}", order.choice(_QUIET).format(n=n + 10) + ".") for n in range(int(seconds / PAUSE))
    ]
    usual = [
        Due(order.uniform(0, seconds), f"usual-{n}", order.choice(_USUAL).format(name=order.choice(of).name, n=n + 20))
        for n in range(round(usual_an_hour * seconds / timedelta(hours=1).total_seconds()))
    ]
    return quiet + usual
