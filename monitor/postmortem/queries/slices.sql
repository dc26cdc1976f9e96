-- Which version, or which other slice, was it?
WITH i AS (
    SELECT *, onset_at - interval '30 minutes' AS since, date_bin('10 seconds', onset_at, timestamptz 'epoch') AS began,
           least(coalesce(resolved_at, now()), onset_at + interval '6 hours') AS until
    FROM tocsin.incidents WHERE incident_id = :'incident'
), counted AS (
    SELECT r.field, r.value, r.pane_start >= i.began AS during, r.k::float8 AS k, r.n::float8 AS n
    FROM i CROSS JOIN LATERAL (
        SELECT field, value, pane_start, k, n FROM tocsin.rates_by
        WHERE stream = i.stream AND signal = i.signal AND pane_start >= i.since AND pane_start < i.until OFFSET 0
    ) r
    WHERE i.quantity = 'rate'
    UNION ALL
    SELECT c.field, c.value, c.pane_start >= i.began,
           CASE WHEN i.quantity = 'share:' || c.category THEN c.n ELSE 0 END, c.n
    FROM i CROSS JOIN LATERAL (
        SELECT field, value, pane_start, category, n FROM tocsin.categories_by
        WHERE stream = i.stream AND signal = i.signal AND pane_start >= i.since AND pane_start < i.until OFFSET 0
    ) c
    WHERE i.quantity LIKE 'share:%' AND (c.category <> 'unknown' OR i.quantity = 'share:unknown')
    UNION ALL
    SELECT q.field, q.value, q.pane_start >= i.began,
           q.n * CASE i.quantity WHEN 'p50' THEN q.p50 WHEN 'p90' THEN q.p90 WHEN 'p95' THEN q.p95
                                 WHEN 'p99' THEN q.p99 ELSE q.p999 END, q.n
    FROM i CROSS JOIN LATERAL (
        SELECT field, value, pane_start, n, p50, p90, p95, p99, p999 FROM tocsin.quantiles_by
        WHERE stream = i.stream AND signal = i.signal AND pane_start >= i.since AND pane_start < i.until OFFSET 0
    ) q
    WHERE i.quantity IN ('p50', 'p90', 'p95', 'p99', 'p99.9')
)
SELECT c.field, c.value, sum(c.k) FILTER (WHERE NOT c.during) / nullif(sum(c.n) FILTER (WHERE NOT c.during), 0) AS before,
       sum(c.k) FILTER (WHERE c.during) / nullif(sum(c.n) FILTER (WHERE c.during), 0) AS during,
       coalesce(sum(c.n) FILTER (WHERE c.during), 0)::bigint AS n, v.first_seen
FROM counted c CROSS JOIN i
LEFT JOIN tocsin.versions v ON c.field = 'version' AND v.stream = i.stream AND v.version = c.value
GROUP BY c.field, c.value, v.first_seen
ORDER BY c.field <> 'version', c.field, during DESC NULLS LAST, c.value;
