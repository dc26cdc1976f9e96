-- What did the kill switch do, and did the service confirm it?
WITH tripped AS (
    SELECT switch, stream, sequence FROM tocsin.kill_events WHERE incident_id = :'incident'
), released AS (
    SELECT t.switch, t.stream, min(k.sequence) AS sequence
    FROM tripped t JOIN tocsin.kill_events k USING (switch, stream)
    WHERE k.action = 'released' AND k.sequence > t.sequence
    GROUP BY t.switch, t.stream
)
SELECT k.at, k.switch, k.stream, k.action, k.mode, k.target, k.sequence, k.actor, k.reason,
       d.receiver, d.state, d.attempts, d.delivered_at - k.at AS confirmed_after, d.response, d.last_error
FROM tocsin.kill_events k
LEFT JOIN tocsin.deliveries d USING (kill_id)
WHERE k.incident_id = :'incident'
   OR (k.switch, k.stream, k.sequence) IN (SELECT switch, stream, sequence FROM released)
ORDER BY k.at, k.sequence, d.receiver;
