"""Which of an alert's documents is quoted."""

from __future__ import annotations

from datetime import UTC, datetime

from voxpop.alerting import telling
from voxpop.store.meaning import Cited

NOW = datetime(2026, 4, 1, tzinfo=UTC)


def test_what_is_quoted_is_surely_claimed_and_of_the_gravest_or_most_carried_document() -> None:
    def cited(claim_score: float, gravity: int, reach: int) -> Cited:
        return Cited("d", "s", NOW, None, "headline", reach, False, True, "claim", claim_score, "asserted", gravity)

    surest, carried, grave, doubtful = cited(0.9, 0, 5), cited(0.8, 0, 900), cited(0.75, 2, 50), cited(0.5, 3, 9000)
    assert telling([surest, carried, doubtful]) == carried
    assert telling([surest, carried, grave, doubtful]) == grave
    assert telling([doubtful]) == doubtful
    assert telling([]) is None
