-- Answers are the predictions of `error` (1) that did not fail; `abstained` is signal 6.

CREATE VIEW tocsin.coverage AS
SELECT s.key AS stream, g.name AS signal, p.pane_start, p.n, p.of, p.abstained
FROM tocsin_ledger.stream s
CROSS JOIN tocsin_ledger.signal g
CROSS JOIN LATERAL (
    SELECT pane_start, coalesce(sum(n) FILTER (WHERE signal = g.code), 0)::bigint AS n,
           coalesce(sum(counts[array_position(buckets, 0)]) FILTER (WHERE signal = 1), 0)::bigint AS of,
           coalesce(sum(counts[array_position(buckets, 1)]) FILTER (WHERE signal = 6), 0)::bigint AS abstained
    FROM tocsin_ledger.pane
    WHERE stream_id = s.stream_id AND signal = ANY (ARRAY[1::smallint, 6::smallint, g.code]) AND slice_id = 0
    GROUP BY pane_start
) p
WHERE g.name IN ('confidence', 'score', 'incorrect', 'confidently_wrong', 'abs_error', 'negative_feedback');

COMMENT ON VIEW tocsin.coverage IS
    'Of the answers of a pane, how many had what the signal counts (n of "of"), and how many were withheld.';
