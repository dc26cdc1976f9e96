-- A bin of confidence is a signal of kind calibration: counts of wrong (0) and right (1), and the sum of confidence.

CREATE VIEW tocsin.calibration AS
SELECT s.key AS stream, p.pane_start, (g.code - 96) / 20::float8 AS confidence_from,
       (g.code - 95) / 20::float8 AS confidence_to, p.n, p.correct, p.confidence / p.n AS mean_confidence
FROM tocsin_ledger.stream s
CROSS JOIN tocsin_ledger.signal g
CROSS JOIN LATERAL (
    SELECT pane_start, sum(n)::bigint AS n,
           coalesce(sum(counts[array_position(buckets, 1)]), 0)::bigint AS correct, sum(total) AS confidence
    FROM tocsin_ledger.pane
    WHERE stream_id = s.stream_id AND signal = g.code AND slice_id = 0
    GROUP BY pane_start
) p
WHERE g.kind = 'calibration';

CREATE FUNCTION tocsin.expected_calibration_error(stream text, since timestamptz, until timestamptz)
    RETURNS double precision
    LANGUAGE sql STABLE STRICT SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET jit = off
AS $$
    SELECT sum(abs(b.correct - b.confidence)) / sum(b.n)
    FROM (
        SELECT p.signal, sum(p.n)::float8 AS n, sum(p.total) AS confidence,
               coalesce(sum(p.counts[array_position(p.buckets, 1)]), 0)::float8 AS correct
        FROM tocsin_ledger.stream s
        JOIN tocsin_ledger.pane p USING (stream_id)
        WHERE s.key = expected_calibration_error.stream AND p.signal BETWEEN 96 AND 115 AND p.slice_id = 0
          AND p.pane_start >= expected_calibration_error.since AND p.pane_start < expected_calibration_error.until
        GROUP BY p.signal
    ) b
$$;

COMMENT ON FUNCTION tocsin.expected_calibration_error IS
    'Mean distance between confidence and accuracy in 20 equal bins, over the labelled predictions with confidence in the panes that begin in [since, until); NULL where there are none.';

CREATE VIEW tocsin.labels AS
SELECT s.key AS stream, p.pane_start, p.n, p.unmatched
FROM tocsin_ledger.stream s
CROSS JOIN LATERAL (
    SELECT pane_start, sum(n)::bigint AS n,
           coalesce(sum(counts[array_position(buckets, 1)]), 0)::bigint AS unmatched
    FROM tocsin_ledger.pane
    WHERE stream_id = s.stream_id AND signal = 116 AND slice_id = 0
    GROUP BY pane_start
) p;

COMMENT ON VIEW tocsin.labels IS
    'Labels that came later, by the pane of their own time; the unmatched count nowhere, since their prediction is not known.';
