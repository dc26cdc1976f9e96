-- Which records show it, and what are their traces?
SELECT s.at, s.version, s.record_id, s.trace_id, s.signal, s.why, s.topic, s.partition, s.kafka_offset, s.record
FROM tocsin.incidents i
JOIN tocsin.incident_scopes c USING (incident_id)
CROSS JOIN LATERAL (
    SELECT * FROM tocsin.samples
    WHERE stream = i.stream AND at >= i.onset_at - interval '10 seconds'
      AND at < least(coalesce(c.ended_at, now()), i.onset_at + interval '6 hours')
    ORDER BY (incident_id = i.incident_id) IS TRUE DESC, version = i.version DESC NULLS LAST,
             (why = 'error') = (i.signal IN ('error', 'timeout', 'error_type')) DESC, at
    LIMIT 20
) s
WHERE i.incident_id = :'incident'
ORDER BY s.at, s.partition, s.kafka_offset;
