-- How long until it was detected, told, acknowledged, killed, resolved?
SELECT i.detected_at - i.onset_at AS detected_after, i.opened_at - i.onset_at AS opened_after,
       d.first_told - i.onset_at AS told_after, i.acknowledged_at - i.onset_at AS acknowledged_after,
       k.tripped_at - i.onset_at AS killed_after, k.confirmed_at - i.onset_at AS kill_confirmed_after,
       i.resolved_at - i.onset_at AS resolved_after, c.ended_at - i.onset_at AS lasted
FROM tocsin.incidents i
JOIN tocsin.incident_scopes c USING (incident_id)
LEFT JOIN LATERAL (
    SELECT min(delivered_at) AS first_told FROM tocsin.deliveries
    WHERE incident_id = i.incident_id AND event = 'opened' AND state = 'delivered'
) d ON true
LEFT JOIN LATERAL (
    SELECT min(e.at) AS tripped_at, min(c.delivered_at) AS confirmed_at
    FROM tocsin.kill_events e LEFT JOIN tocsin.deliveries c USING (kill_id)
    WHERE e.incident_id = i.incident_id AND e.action = 'tripped'
) k ON true
WHERE i.incident_id = :'incident';
