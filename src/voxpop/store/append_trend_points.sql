-- Computes the windows in (:entities, :starts) anew for one model and appends those that changed.
WITH stale AS MATERIALIZED (
  SELECT entity_id, start
  FROM unnest(CAST(:entities AS text[]), CAST(:starts AS timestamptz[])) AS w(entity_id, start)
), named AS MATERIALIZED (  -- the documents of each window
  SELECT DISTINCT w.entity_id, w.start, m.document_id, s.story_id
  FROM stale w JOIN LATERAL (
    SELECT m.document_id FROM current_mentions m
    WHERE m.entity_id = w.entity_id AND m.published_at >= w.start AND m.published_at < w.start + interval '1 hour'
  ) m ON true JOIN story_members s ON s.document_id = m.document_id
), told AS (  -- their stories, whole: counted in the hour of the first document, judged by the mean of all
  SELECT n.entity_id, n.story_id, date_trunc('hour', min(m.published_at), 'UTC') AS start,
         avg(CAST(o.negative AS numeric)) AS negative, avg(CAST(o.neutral AS numeric)) AS neutral,
         avg(CAST(o.positive AS numeric)) AS positive
  FROM (SELECT DISTINCT entity_id, story_id FROM named) n
  JOIN story_members s ON s.story_id = n.story_id
  JOIN LATERAL (
    SELECT DISTINCT m.document_id, m.revision, m.published_at FROM current_mentions m
    WHERE m.document_id = s.document_id AND m.entity_id = n.entity_id
  ) m ON true
  LEFT JOIN opinions o ON o.document_id = m.document_id AND o.revision = m.revision
    AND o.entity_id = n.entity_id AND o.model = :model
  GROUP BY n.entity_id, n.story_id
), counted AS (
  SELECT entity_id, start, count(*) AS stories,
         count(*) FILTER (WHERE negative > greatest(neutral, positive) AND negative >= :sure) AS negative_stories,
         count(*) FILTER (WHERE positive > greatest(neutral, negative) AND positive >= :sure) AS positive_stories,
         count(*) FILTER (WHERE negative IS NULL) AS unread_stories,
         count(*) FILTER (WHERE greatest(negative, neutral, positive) < :sure) AS unsure_stories,
         CAST(avg(positive - negative) AS double precision) AS sentiment
  FROM told GROUP BY entity_id, start
), heard AS (
  SELECT n.entity_id, n.start, count(*) AS mentions, sum(e.reach) AS reach
  FROM named n JOIN LATERAL (
    SELECT max(reach) AS reach FROM engagements WHERE document_id = n.document_id
  ) e ON true GROUP BY n.entity_id, n.start
), points AS (
  SELECT w.entity_id, w.start, coalesce(c.stories, 0) AS stories,
         coalesce(c.negative_stories, 0) AS negative_stories,
         coalesce(c.positive_stories, 0) AS positive_stories,
         coalesce(c.unread_stories, 0) AS unread_stories,
         coalesce(c.unsure_stories, 0) AS unsure_stories, coalesce(h.mentions, 0) AS mentions, c.sentiment,
         coalesce(h.reach, 0) AS reach
  FROM stale w LEFT JOIN counted c USING (entity_id, start) LEFT JOIN heard h USING (entity_id, start)
)
INSERT INTO trend_points
  (entity_id, start, model, revision, stories, negative_stories, positive_stories, unread_stories, unsure_stories,
   mentions, sentiment, reach)
SELECT p.entity_id, p.start, :model, coalesce(last.revision, 0) + 1,
       p.stories, p.negative_stories, p.positive_stories, p.unread_stories, p.unsure_stories, p.mentions, p.sentiment, p.reach
FROM points p LEFT JOIN LATERAL (
  SELECT * FROM trend_points t WHERE t.entity_id = p.entity_id AND t.start = p.start AND t.model = :model
  ORDER BY revision DESC LIMIT 1
) last ON true
WHERE (last.revision IS NULL AND p.mentions + p.stories > 0) OR (last.revision IS NOT NULL AND
  (last.stories, last.negative_stories, last.positive_stories, last.unread_stories, last.unsure_stories, last.mentions, last.sentiment, last.reach)
  IS DISTINCT FROM
  (p.stories, p.negative_stories, p.positive_stories, p.unread_stories, p.unsure_stories, p.mentions, p.sentiment, p.reach))
ORDER BY p.entity_id, p.start
