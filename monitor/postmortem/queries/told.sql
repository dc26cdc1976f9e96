-- Who was told, when, and by which attempt?
SELECT d.receiver, d.event, d.state, d.attempts, d.created_at, d.delivered_at, d.delivered_at - d.created_at AS delay,
       d.response, d.last_error
FROM tocsin.deliveries d
WHERE d.incident_id = :'incident'
ORDER BY d.created_at, d.receiver;
