-- How many requests and users met it, beside as long a time before?
WITH i AS (
    SELECT stream, date_bin('10 seconds', onset_at, timestamptz 'epoch') AS began,
           least(coalesce(ended_at, now()), onset_at + interval '6 hours') AS ended
    FROM tocsin.incidents JOIN tocsin.incident_scopes USING (incident_id) WHERE incident_id = :'incident'
), phase AS (
    SELECT 'before' AS phase, stream, began - (ended - began) AS since, began AS until FROM i
    UNION ALL
    SELECT 'during', stream, began, ended FROM i
)
SELECT p.phase, p.since, p.until,
       (SELECT sum(n) FROM tocsin.panes
        WHERE stream = p.stream AND pane_start >= p.since AND pane_start < p.until)::bigint AS requests,
       (SELECT sum(k) FROM tocsin.rates
        WHERE stream = p.stream AND signal = 'error' AND pane_start >= p.since AND pane_start < p.until)::bigint AS failed,
       u.users, u.failed_users
FROM phase p
CROSS JOIN LATERAL tocsin.distinct_users(p.stream, p.since, p.until) u
ORDER BY p.since;
