-- The extension as it is installed, and 20,000 media for the jobs to refer to.
CREATE EXTENSION researcharr CASCADE;
INSERT INTO researcharr.media (id, title, type)
SELECT ('00000000-0000-7000-8000-' || lpad(g::text, 12, '0'))::uuid, 'Movie ' || g, 'movie'
FROM generate_series(1, 20000) g;
