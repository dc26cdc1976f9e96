-- Was Tocsin itself behind, or its configuration changed?
WITH found AS (
    -- What it did is by its clock: of an incident of a backlog that is when this was read.
    SELECT *, CASE WHEN historical THEN opened_at ELSE onset_at END AS known_at
    FROM tocsin.incidents JOIN tocsin.incident_scopes USING (incident_id) WHERE incident_id = :'incident'
), i AS (
    SELECT *, known_at - interval '1 hour' AS since,
           least(coalesce(resolved_at, now()), known_at + interval '6 hours') AS until,
           date_bin('10 seconds', onset_at, timestamptz 'epoch') AS began,
           least(coalesce(ended_at, now()), onset_at + interval '6 hours') AS ended
    FROM found
)
SELECT 'late records' AS what, NULL::timestamptz AS at,
       coalesce(sum(p.late), 0) || ' of ' || coalesce(sum(p.n), 0) AS detail
FROM i LEFT JOIN LATERAL (
    SELECT n, late FROM tocsin.panes WHERE stream = i.stream AND pane_start >= i.began AND pane_start < i.ended
    OFFSET 0
) p ON true
UNION ALL
SELECT 'largest lag', l.at, l.topic || '/' || l.partition || ': ' || l.lag || ' records'
FROM i CROSS JOIN LATERAL (
    SELECT * FROM tocsin.lag WHERE at >= i.since AND at < i.until ORDER BY lag DESC, at LIMIT 1
) l
UNION ALL
SELECT 'oldest watermark', l.at, l.topic || '/' || l.partition || ': ' || l.watermark_age_s || ' s'
FROM i CROSS JOIN LATERAL (
    SELECT * FROM tocsin.lag WHERE at >= i.since AND at < i.until ORDER BY watermark_age_s DESC NULLS LAST, at LIMIT 1
) l
UNION ALL
SELECT 'skipped: ' || s.reason, min(s.at), count(*)::text
FROM i CROSS JOIN LATERAL (SELECT * FROM tocsin.skipped_records WHERE at >= i.since AND at < i.until) s
GROUP BY s.reason
UNION ALL
SELECT 'configuration loaded', c.loaded_at,
       c.config_hash || CASE WHEN c.config_hash = i.config_hash THEN ', in effect' ELSE '' END || ', by ' || c.host
FROM i JOIN tocsin.configs c
    ON c.loaded_at >= i.since - interval '1 day' AND c.loaded_at < i.until OR c.config_hash = i.config_hash
UNION ALL
SELECT o.rule, o.opened_at, o.summary
FROM i JOIN tocsin.incidents o
    ON o.stream = '(tocsin)' AND o.opened_at < i.until AND coalesce(o.resolved_at, now()) >= i.since
ORDER BY what, at;
