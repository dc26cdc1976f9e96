-- How did the signal go, minute by minute, before, during and after, against its reference?
WITH i AS (
    SELECT *, date_trunc('minute', onset_at - interval '30 minutes') AS since,
           least(coalesce(resolved_at, now()), onset_at + interval '6 hours') + interval '10 minutes' AS until
    FROM tocsin.incidents WHERE incident_id = :'incident'
), counted AS (
    SELECT r.pane_start, r.k::float8 AS k, r.n::float8 AS n
    FROM i CROSS JOIN LATERAL (
        SELECT pane_start, k, n FROM tocsin.rates
        WHERE stream = i.stream AND signal = i.signal AND pane_start >= i.since AND pane_start < i.until OFFSET 0
    ) r
    WHERE i.quantity = 'rate'
    UNION ALL
    SELECT c.pane_start, sum(c.n) FILTER (WHERE i.quantity = 'share:' || c.category),
           sum(c.n) FILTER (WHERE c.category <> 'unknown' OR i.quantity = 'share:unknown')
    FROM i CROSS JOIN LATERAL (
        SELECT pane_start, category, n FROM tocsin.categories
        WHERE stream = i.stream AND signal = i.signal AND pane_start >= i.since AND pane_start < i.until OFFSET 0
    ) c
    WHERE i.quantity LIKE 'share:%'
    GROUP BY c.pane_start
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
    WHERE coalesce(i.quantity, 'count') = 'count'
), shown AS (
    SELECT date_trunc('minute', pane_start) AS minute,
           CASE WHEN count(n) = 0 THEN sum(k) ELSE coalesce(sum(k), 0) / nullif(sum(n), 0) END AS value, sum(n)::bigint AS n
    FROM counted GROUP BY 1
    UNION ALL
    SELECT m.minute, tocsin.quantile(i.stream, i.signal, substr(i.quantity, 2)::float8 / 100, m.minute,
                                     m.minute + interval '1 minute'), NULL
    FROM i CROSS JOIN generate_series(i.since, i.until, interval '1 minute') AS m (minute)
    WHERE i.quantity ~ '^p[0-9.]+$'
)
SELECT s.minute,
       CASE WHEN s.minute + interval '1 minute' <= i.onset_at THEN 'before'
            WHEN s.minute < coalesce(i.resolved_at, now()) THEN 'during' ELSE 'after' END AS phase,
       s.value, s.n, CASE WHEN i.quantity NOT IN ('total', 'count') THEN i.reference END AS reference,
       CASE WHEN i.quantity NOT IN ('total', 'count') THEN i.at_least END AS at_least
FROM shown s CROSS JOIN i
WHERE s.value IS NOT NULL
ORDER BY s.minute;
