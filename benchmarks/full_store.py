"""A store with as much in it as a desk gathers in months, made by the database itself in about a minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, text

from voxpop.store import models

ENTITIES, DAYS, ALERTS, OPEN_ALERTS = 200, 180, 1000, 20
START = datetime(2026, 1, 1, tzinfo=UTC)
MODEL = "bench@1"

_FILL = (
    """INSERT INTO entities (entity_id, name, detail)
    SELECT 'e' || n, 'Entity ' || n, jsonb_build_object('id', 'e' || n, 'name', 'Entity ' || n)
    FROM generate_series(0, :entities - 1) n""",
    """INSERT INTO documents (document_id, revision, latest, source, channel, published_at, revised_at, received_at,
      sequence, lang, title_end, text, linked_with)
    SELECT md5(n::text), 'r', true, 'wire', 'news', at, at, at, n, 'en', 0,
      'Entity ' || n % :entities || ' said its plant number ' || n % 977 || ' is open again', 'v'
    FROM generate_series(1, :opinions) n, LATERAL (SELECT CAST(:start AS timestamptz) + n * :step AS at) t""",
    """INSERT INTO mentions (document_id, revision, entity_id, start, "end", relevance, confidence, published_at)
    SELECT document_id, revision, 'e' || sequence % :entities, 0, 8, 'subject', 0.9, published_at FROM documents""",
    """INSERT INTO opinions (document_id, revision, entity_id, model, label, negative, neutral, positive)
    SELECT document_id, revision, 'e' || sequence % :entities, :model,
      (ARRAY['neutral', 'negative', 'positive', 'neutral', 'unsure'])[1 + sequence % 5], 0.2, 0.6, 0.2
    FROM documents""",
    """INSERT INTO engagements (document_id, reach, replies, as_of, received_at)
    SELECT document_id, 10 + sequence % 90, 1, published_at, published_at FROM documents""",
    """INSERT INTO story_members (document_id, story_id, fingerprint, published_at)
    SELECT document_id, md5((sequence - sequence / :entities % 3 * :entities)::text), sequence, published_at
    FROM documents""",
    """INSERT INTO claims (document_id, revision, entity_id, model, question, start, "end", score, entailment,
      factuality)
    SELECT document_id, revision, 'e' || sequence % :entities, :model, 'what', 0, 8, 0.7, 0.9, 'asserted'
    FROM documents WHERE sequence % 4 = 0""",
    """INSERT INTO alerts (alert_id, entity_id, rule, state, fired_at, last_at, window_start, score, cut, hours,
      stories, negative_stories, unread_stories, expected, model)
    SELECT md5('a' || n), 'e' || n % :entities, 'surge',
      CASE WHEN n > :alerts - :open THEN 'firing' ELSE 'resolved' END, at, at, at - interval '1 hour', 9, 6, 1, 12,
      9, 0, 2, :model
    FROM generate_series(1, :alerts) n,
      LATERAL (SELECT CAST(:start AS timestamptz) + n * :step * :opinions / (:alerts + 1) AS at) t""",
    """INSERT INTO alert_evidence (alert_id, rank, document_id, revision)
    SELECT alert_id, r, document_id, revision FROM alerts a, LATERAL (
      SELECT row_number() OVER (ORDER BY published_at DESC) AS r, document_id, revision FROM mentions
      WHERE entity_id = a.entity_id AND published_at <= a.fired_at ORDER BY published_at DESC LIMIT 12) m""",
    """INSERT INTO alert_revisions (alert_id, revision, state, score, hours, stories, negative_stories, unread_stories,
      expected, reach, last_at, documents, document_revisions, model, cut)
    SELECT alert_id, 1, state, score, hours, stories, negative_stories, unread_stories, expected, reach, last_at,
      ARRAY(SELECT document_id FROM alert_evidence e WHERE e.alert_id = a.alert_id ORDER BY rank),
      ARRAY(SELECT revision FROM alert_evidence e WHERE e.alert_id = a.alert_id ORDER BY rank), model, cut
    FROM alerts a""",
    """INSERT INTO alert_moves (alert_id, number, kind, note, who, received_at)
    SELECT alert_id, n, kind, '', 'voxpop', fired_at
    FROM alerts, (VALUES (1, 'opened'), (2, 'fired'), (3, 'resolved')) k (n, kind)
    WHERE n < 3 OR state = 'resolved'""",
    """INSERT INTO trend_points (entity_id, start, model, revision, stories, negative_stories, positive_stories,
      unread_stories, mentions, sentiment, reach)
    SELECT entity_id, date_trunc('hour', published_at, 'UTC'), :model, 1, count(*), 1, 0, 0, count(*), 0.1, count(*)
    FROM mentions GROUP BY 1, 2""",
    "ANALYZE",
)


def fill(engine: Engine, opinions: int) -> int:
    """Stores so many opinions, evenly over entities and days, in stories of three, and alerts of which some are open.

    Returns:
        How many trend points they make.
    """
    values = {"entities": ENTITIES, "opinions": opinions, "start": START, "model": MODEL}
    values |= {"alerts": ALERTS, "open": OPEN_ALERTS, "step": timedelta(days=DAYS) / opinions}
    with engine.begin() as connection:
        for statement in _FILL:
            connection.execute(text(statement), values)
        models.activate(connection, MODEL, "bench")
        return int(connection.execute(text("SELECT count(*) FROM trend_points")).scalar_one())
