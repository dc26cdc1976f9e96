-- Which version, or which other slice, was it?
WITH i AS (
    SELECT *, onset_at - interval '30 minutes' AS since, date_bin('10 seconds', onset_at, timestamptz 'epoch') AS began,
           least(coalesce(ended_at, now()), onset_at + interval '6 hours') AS until,
           CASE WHEN quantity ~ '^p[0-9.]+$' THEN substr(quantity, 2)::float8 / 100 END AS q
    FROM tocsin.incidents JOIN tocsin.incident_scopes USING (incident_id) WHERE incident_id = :'incident'
), spread AS (
    SELECT h.field, h.value, w.during, h.at, h.n
    FROM i CROSS JOIN LATERAL (VALUES (false, i.since, i.began), (true, i.began, i.until)) AS w (during, since, until)
    CROSS JOIN LATERAL tocsin.histogram_by(i.stream, i.signal, w.since, w.until) h
    WHERE i.q IS NOT NULL OR i.quantity = 'total' OR i.good_below IS NOT NULL
), counted AS (
    SELECT r.field, r.value, r.pane_start >= i.began AS during, r.k::float8 AS k, r.n
    FROM i CROSS JOIN LATERAL (
        SELECT field, value, pane_start, k, n FROM tocsin.rates_by
        WHERE stream = i.stream AND signal = i.signal AND pane_start >= i.since AND pane_start < i.until OFFSET 0
    ) r
    WHERE i.quantity IN ('rate', 'total')
    UNION ALL
    SELECT c.field, c.value, c.pane_start >= i.began,
           CASE WHEN i.quantity = 'share:' || c.category THEN c.n ELSE 0 END, c.n
    FROM i CROSS JOIN LATERAL (
        SELECT field, value, pane_start, category, n FROM tocsin.categories_by
        WHERE stream = i.stream AND signal = i.signal AND pane_start >= i.since AND pane_start < i.until OFFSET 0
    ) c
    WHERE i.quantity LIKE 'share:%' AND (c.category <> 'unknown' OR i.quantity = 'share:unknown')
    UNION ALL
    SELECT s.field, s.value, s.during, CASE WHEN i.quantity = 'total' THEN s.n * s.at
                                            WHEN s.at > 1.01 * i.good_below THEN s.n ELSE 0 END, s.n
    FROM spread s CROSS JOIN i
    WHERE i.q IS NULL
), ranked AS (
    SELECT s.field, s.value, s.during, s.at, s.n, i.q,
           sum(s.n) OVER (PARTITION BY s.field, s.value, s.during ORDER BY s.at) AS reached,
           sum(s.n) OVER (PARTITION BY s.field, s.value, s.during) AS all_n
    FROM spread s CROSS JOIN i
    WHERE i.q IS NOT NULL
), compared AS (
    SELECT c.field, c.value, c.during, sum(c.n) AS n,
           sum(c.k) / CASE WHEN i.quantity <> 'total' THEN nullif(sum(c.n), 0)
                           WHEN c.during THEN extract(epoch FROM i.until - i.began) / 60 ELSE 30 END AS figure
    FROM counted c CROSS JOIN i GROUP BY c.field, c.value, c.during, i.quantity, i.until, i.began
    UNION ALL
    SELECT field, value, during, sum(n), min(at) FILTER (WHERE reached >= greatest(1, ceil(q * all_n)))
    FROM ranked GROUP BY field, value, during
), nameless AS (
    -- Where it is nearly all of what states no version, as failures that never reached a model, versions say nothing.
    SELECT FROM counted WHERE field = 'version' AND during
    HAVING sum(k) FILTER (WHERE value = '(none)') > 0.9 * sum(k)
)
SELECT c.field, c.value, max(c.figure) FILTER (WHERE NOT c.during) AS before, max(c.figure) FILTER (WHERE c.during) AS during,
       coalesce(max(c.n) FILTER (WHERE c.during), 0)::bigint AS n, v.first_seen
FROM compared c CROSS JOIN i
LEFT JOIN tocsin.versions v ON c.field = 'version' AND v.stream = i.stream AND v.version = c.value
WHERE c.field <> 'version' OR NOT EXISTS (SELECT FROM nameless)
GROUP BY c.field, c.value, v.first_seen
ORDER BY c.field <> 'version', c.field, during DESC NULLS LAST, c.value;
