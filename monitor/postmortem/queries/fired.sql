-- What fired, when, and against what?
SELECT i.rule, i.stream, c.part_field, c.part_value, i.severity, i.state, i.summary, i.signal, i.quantity, i.unit,
       i.observed, i.reference, i.tolerance, i.at_least, c.good_below, c.edge, c.side, i.affected, i.total, i.guaranteed,
       i.onset_at, i.detected_at, c.ended_at, i.opened_at, i.resolved_at, i.acknowledged_by, i.outcome, i.reference_id,
       r.origin, r.provisional, r.learned_from, r.learned_until, i.historical, i.dry_run, i.config_hash
FROM tocsin.incidents i
JOIN tocsin.incident_scopes c USING (incident_id)
LEFT JOIN LATERAL (
    SELECT origin, provisional, learned_from, learned_until FROM tocsin.reference_rates
    WHERE reference_id = i.reference_id
    UNION
    SELECT origin, provisional, learned_from, learned_until FROM tocsin.reference_quantiles
    WHERE reference_id = i.reference_id
    UNION
    SELECT origin, provisional, learned_from, learned_until FROM tocsin.reference_categories
    WHERE reference_id = i.reference_id
) r ON true
WHERE i.incident_id = :'incident';
