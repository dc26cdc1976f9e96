-- What did it cost, in money and tokens, beside as long a time before?
WITH i AS (
    SELECT stream, date_bin('10 seconds', onset_at, timestamptz 'epoch') AS began,
           least(coalesce(ended_at, now()), onset_at + interval '6 hours') AS ended
    FROM tocsin.incidents JOIN tocsin.incident_scopes USING (incident_id) WHERE incident_id = :'incident'
), phase AS (
    SELECT 'before' AS phase, stream, began - (ended - began) AS since, began AS until FROM i
    UNION ALL
    SELECT 'during', stream, began, ended FROM i
)
SELECT p.phase, t.signal, sum(t.total) AS total, sum(t.n)::bigint AS requests, sum(t.total) / sum(t.n) AS per_request
FROM phase p
CROSS JOIN LATERAL (
    SELECT signal, n, total FROM tocsin.totals
    WHERE stream = p.stream AND signal IN ('cost_usd', 'input_tokens', 'output_tokens')
      AND pane_start >= p.since AND pane_start < p.until
    OFFSET 0
) t
GROUP BY p.phase, p.since, t.signal
ORDER BY t.signal, p.since;
