-- How did the signal go, minute by minute, before, during and after, against its reference?
WITH i AS (
    SELECT *, date_trunc('minute', onset_at - interval '30 minutes') AS since,
           least(coalesce(ended_at, now()), onset_at + interval '6 hours') + interval '10 minutes' AS until,
           CASE WHEN quantity ~ '^p[0-9.]+$' THEN substr(quantity, 2)::float8 / 100 END AS q,
           coalesce(1.01 * good_below, edge) AS beyond, edge IS NOT NULL AND side = 'below' AS downward
    FROM tocsin.incidents JOIN tocsin.incident_scopes USING (incident_id) WHERE incident_id = :'incident'
), rated AS (
    SELECT r.pane_start, r.k, r.n
    FROM i CROSS JOIN LATERAL (
        SELECT pane_start, k, n FROM tocsin.rates
        WHERE stream = i.stream AND signal = i.signal AND pane_start >= i.since AND pane_start < i.until OFFSET 0
    ) r
    WHERE i.quantity IN ('rate', 'total') AND i.part_field IS NULL
    UNION ALL
    SELECT r.pane_start, r.k, r.n
    FROM i CROSS JOIN LATERAL (
        SELECT pane_start, k, n FROM tocsin.rates_by
        WHERE stream = i.stream AND signal = i.signal AND field = i.part_field AND value = i.part_value
          AND pane_start >= i.since AND pane_start < i.until OFFSET 0
    ) r
    WHERE i.quantity = 'rate'
), shared AS (
    SELECT c.pane_start, c.category, c.n
    FROM i CROSS JOIN LATERAL (
        SELECT pane_start, category, n FROM tocsin.categories
        WHERE stream = i.stream AND signal = i.signal AND pane_start >= i.since AND pane_start < i.until OFFSET 0
    ) c
    WHERE i.quantity LIKE 'share:%' AND i.part_field IS NULL
    UNION ALL
    SELECT c.pane_start, c.category, c.n
    FROM i CROSS JOIN LATERAL (
        SELECT pane_start, category, n FROM tocsin.categories_by
        WHERE stream = i.stream AND signal = i.signal AND field = i.part_field AND value = i.part_value
          AND pane_start >= i.since AND pane_start < i.until OFFSET 0
    ) c
    WHERE i.quantity LIKE 'share:%'
), counted AS (
    SELECT r.pane_start, r.k::float8 AS k, CASE WHEN i.quantity = 'rate' THEN r.n END::float8 AS n FROM rated r CROSS JOIN i
    UNION ALL
    SELECT s.pane_start, sum(s.n) FILTER (WHERE i.quantity = 'share:' || s.category),
           sum(s.n) FILTER (WHERE s.category <> 'unknown' OR i.quantity = 'share:unknown')
    FROM shared s CROSS JOIN i
    GROUP BY s.pane_start
    UNION ALL
    SELECT t.pane_start, t.total, NULL
    FROM i CROSS JOIN LATERAL (
        SELECT pane_start, total FROM tocsin.totals
        WHERE stream = i.stream AND signal = i.signal AND pane_start >= i.since AND pane_start < i.until OFFSET 0
    ) t
    WHERE i.quantity = 'total'
    UNION ALL
    SELECT p.pane_start, p.n, NULL
    FROM i CROSS JOIN LATERAL (
        SELECT pane_start, n FROM tocsin.panes
        WHERE stream = i.stream AND pane_start >= i.since AND pane_start < i.until OFFSET 0
    ) p
    WHERE coalesce(i.quantity, 'count') = 'count' OR (i.signal = 'requests' AND i.quantity = 'total')
), minutes AS (
    SELECT m AS minute, m + interval '1 minute' AS next FROM i, generate_series(i.since, i.until, interval '1 minute') AS m
), shown AS (
    SELECT date_trunc('minute', pane_start) AS minute,
           CASE WHEN count(n) = 0 THEN sum(k) ELSE coalesce(sum(k), 0) / nullif(sum(n), 0) END AS value, sum(n)::bigint AS n
    FROM counted GROUP BY 1
    UNION ALL
    SELECT m.minute, tocsin.quantile(i.stream, i.signal, i.q, m.minute, m.next, i.part_field, i.part_value), NULL
    FROM i CROSS JOIN minutes m
    WHERE i.q IS NOT NULL AND i.beyond IS NULL
    UNION ALL
    SELECT m.minute, coalesce(sum(h.n) FILTER (WHERE (h.at < i.beyond) = i.downward), 0)::float8 / sum(h.n), sum(h.n)::bigint
    FROM i CROSS JOIN minutes m
    CROSS JOIN LATERAL tocsin.histogram(i.stream, i.signal, m.minute, m.next, i.part_field, i.part_value) h
    WHERE i.beyond IS NOT NULL
    GROUP BY m.minute
)
SELECT s.minute,
       CASE WHEN s.minute + interval '1 minute' <= i.onset_at THEN 'before'
            WHEN s.minute < coalesce(i.ended_at, now()) THEN 'during' ELSE 'after' END AS phase,
       s.value, s.n,
       CASE WHEN i.edge IS NOT NULL THEN CASE i.side WHEN 'below' THEN i.q ELSE 1 - i.q END
            WHEN i.quantity NOT IN ('total', 'count') THEN i.reference END AS reference,
       CASE WHEN i.edge IS NOT NULL THEN i.share_limit
            WHEN i.quantity NOT IN ('total', 'count') THEN i.at_least END AS at_least
FROM shown s CROSS JOIN i
WHERE s.value IS NOT NULL
ORDER BY s.minute;
