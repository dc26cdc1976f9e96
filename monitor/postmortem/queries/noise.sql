-- How noisy was the month before it, rule by rule?
SELECT o.rule, count(*) AS fired, count(*) FILTER (WHERE o.outcome = 'false_alarm') AS false_alarms,
       count(*) FILTER (WHERE o.acknowledged_at IS NULL) AS unacknowledged
FROM tocsin.incidents i
JOIN tocsin.incidents o ON o.opened_at > i.opened_at - interval '30 days' AND o.opened_at <= i.opened_at
WHERE i.incident_id = :'incident'
GROUP BY o.rule
ORDER BY fired DESC, o.rule;
