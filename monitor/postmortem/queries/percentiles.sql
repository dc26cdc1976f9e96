-- What were the percentiles before and during, also of other signals?
WITH i AS (
    SELECT stream, date_bin('10 seconds', onset_at, timestamptz 'epoch') AS began,
           least(coalesce(ended_at, now()), onset_at + interval '6 hours') AS ended
    FROM tocsin.incidents JOIN tocsin.incident_scopes USING (incident_id) WHERE incident_id = :'incident'
)
SELECT s.signal, q.q, v.before, v.during
FROM i
CROSS JOIN unnest(ARRAY['latency_ms', 'ttft_ms', 'output_tokens', 'confidence', 'cost_usd']) AS s (signal)
CROSS JOIN unnest(ARRAY[0.5, 0.95, 0.99]::float8[]) AS q (q)
CROSS JOIN LATERAL (
    SELECT tocsin.quantile(i.stream, s.signal, q.q, i.began - interval '30 minutes', i.began) AS before,
           tocsin.quantile(i.stream, s.signal, q.q, i.began, i.ended) AS during
    OFFSET 0
) v
WHERE v.before IS NOT NULL OR v.during IS NOT NULL
ORDER BY s.signal, q.q;
