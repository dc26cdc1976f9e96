-- Signals 117 (all) and 118 (failed): buckets are the 256 smallest 32-bit hashes of a pane's users, ascending. All are
-- there while there are fewer; of more, the 256th tells how dense they lie.

CREATE FUNCTION tocsin_ledger.distinct_of(hashes integer[]) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE
        WHEN hashes IS NULL THEN 0
        WHEN cardinality(hashes) < 256 THEN cardinality(hashes)
        ELSE round(255 * 4294967296::float8 / (hashes[256]::float8 + 2147483649))
    END;

CREATE VIEW tocsin.users AS
SELECT s.key AS stream, p.pane_start, tocsin_ledger.distinct_of(p.everyone) AS users,
       tocsin_ledger.distinct_of(p.failed) AS failed_users
FROM tocsin_ledger.stream s
CROSS JOIN LATERAL (
    SELECT pane_start, array_agg(DISTINCT h.hash ORDER BY h.hash) FILTER (WHERE signal = 117) AS everyone,
           array_agg(DISTINCT h.hash ORDER BY h.hash) FILTER (WHERE signal = 118) AS failed
    FROM tocsin_ledger.pane CROSS JOIN LATERAL unnest(buckets) AS h (hash)
    WHERE stream_id = s.stream_id AND signal IN (117, 118) AND slice_id = 0
    GROUP BY pane_start
) p;

COMMENT ON VIEW tocsin.users IS
    'Distinct users of a pane and those whose requests failed: exact below 256, else within some 6%. Panes do not add up: see tocsin.distinct_users.';

CREATE FUNCTION tocsin.distinct_users(
    stream text, since timestamptz, until timestamptz, OUT users bigint, OUT failed_users bigint
)
    LANGUAGE sql STABLE STRICT SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET jit = off
AS $$
    SELECT tocsin_ledger.distinct_of(ARRAY (
        SELECT DISTINCT h.hash
        FROM tocsin_ledger.stream s
        JOIN tocsin_ledger.pane p USING (stream_id)
        CROSS JOIN LATERAL unnest(p.buckets) AS h (hash)
        WHERE s.key = distinct_users.stream AND p.signal = 117 AND p.slice_id = 0
          AND p.pane_start >= distinct_users.since AND p.pane_start < distinct_users.until
        ORDER BY h.hash LIMIT 256
    )),
    tocsin_ledger.distinct_of(ARRAY (
        SELECT DISTINCT h.hash
        FROM tocsin_ledger.stream s
        JOIN tocsin_ledger.pane p USING (stream_id)
        CROSS JOIN LATERAL unnest(p.buckets) AS h (hash)
        WHERE s.key = distinct_users.stream AND p.signal = 118 AND p.slice_id = 0
          AND p.pane_start >= distinct_users.since AND p.pane_start < distinct_users.until
        ORDER BY h.hash LIMIT 256
    ))
$$;

COMMENT ON FUNCTION tocsin.distinct_users IS
    'Distinct users over the panes that begin in [since, until), and those whose requests failed: exact below 256, else within some 6%.';
