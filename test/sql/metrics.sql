-- metrics() and report_html(): their formats, escaping, and who sees what.
-- test/t/094_report.pl shows them to promtool and, if there is one, a browser.
SET search_path = researcharr;
\getenv tests PG_ABS_SRCDIR
\i :tests/include/error.sql
CREATE VIEW lines AS SELECT n, line FROM regexp_split_to_table(researcharr.metrics(), E'\n') WITH ORDINALITY AS l (line, n);

-- the format: it ends with # EOF, and each line is metadata or a sample
SELECT right(metrics(), 7) = E'\n# EOF\n' AS ends, count(*) FILTER (WHERE line = '# EOF') AS eof FROM lines;
SELECT line FROM lines WHERE line !~ '^# (TYPE researcharr_\w+ (gauge|counter|histogram)|UNIT researcharr_\w+ (seconds|bytes)|HELP researcharr_\w+ \S.*|EOF)$'
	AND line !~ '^researcharr_[a-z_]+(\{([a-z_]+="([^"\\]|\\["\\n])*",?)+\})? -?[0-9.e+-]+$' AND line <> '';
-- each family is declared once, by type and help, before its samples, which are together
CREATE VIEW families AS SELECT n, split_part(line, ' ', 3) AS name, split_part(line, ' ', 4) AS type,
	lead(n, 1, 100000) OVER (ORDER BY n) AS until FROM lines WHERE line LIKE '# TYPE %';
SELECT name FROM families GROUP BY name HAVING count(*) > 1;
SELECT l.line FROM lines l JOIN families f ON l.n > f.n AND l.n < f.until WHERE l.line LIKE 'researcharr_%'
	AND regexp_replace(split_part(split_part(l.line, '{', 1), ' ', 1), CASE f.type WHEN 'counter' THEN '_total$'
		WHEN 'histogram' THEN '_(bucket|count|sum)$' ELSE '$' END, '') <> f.name;
SELECT count(*) = (SELECT count(*) FROM families) AS help FROM lines WHERE line LIKE '# HELP %';
-- a unit ends the name, and a name with the unit has it declared
SELECT line FROM lines WHERE line LIKE '# UNIT %' AND split_part(line, ' ', 3) NOT LIKE '%\_' || split_part(line, ' ', 4);
SELECT f.name FROM families f WHERE f.name ~ '_(seconds|bytes)$' AND NOT EXISTS (SELECT FROM lines WHERE line LIKE '# UNIT ' || f.name || ' %');
-- no sample twice
SELECT split_part(line, ' ', 1) FROM lines WHERE line LIKE 'researcharr_%' AND line NOT LIKE '%"%[ ]%' GROUP BY regexp_replace(line, ' \S+$', ''), 1 HAVING count(*) > 1;
SELECT line FROM lines WHERE line LIKE 'researcharr_health_status{%' AND line LIKE '%"connection"%';

-- a label's value
CREATE TABLE researcharr."odd ""table"" \ {x=}" ();
SELECT line FROM lines WHERE line LIKE 'researcharr_table_rows%odd%';
DROP TABLE researcharr."odd ""table"" \ {x=}";

-- a role that may see little
CREATE ROLE regress_scraper;
GRANT USAGE ON SCHEMA researcharr TO regress_scraper;
SET ROLE regress_scraper;
SELECT pg_temp.error('SELECT researcharr.metrics()');
SELECT pg_temp.error('SELECT researcharr.report_html()');
RESET ROLE;
GRANT EXECUTE ON FUNCTION metrics(), report_html() TO regress_scraper;
SET ROLE regress_scraper;
SELECT line FROM regexp_split_to_table(researcharr.metrics(), E'\n') line WHERE line LIKE 'researcharr_source_available%'
	AND line !~ 'backups' ORDER BY line COLLATE "C";
SELECT count(*) FROM regexp_split_to_table(researcharr.metrics(), E'\n') line WHERE line LIKE 'researcharr_job%';
SELECT line FROM regexp_split_to_table(researcharr.report_html(), E'\n') line WHERE line ~ 'Not available' AND line !~ 'backups' ORDER BY line COLLATE "C";
RESET ROLE;

-- the report: hostile text is text
INSERT INTO media (id, title, type) VALUES ('01900000-0000-7000-8000-000000000001', '<script>alert("x")</script>&amp;''`' || U&'\202E\0085é', 'movie');
INSERT INTO processing_jobs (media_id, job_type) VALUES ('01900000-0000-7000-8000-000000000001', 'search');
CREATE TEMP TABLE report AS SELECT report_html() AS html;
SELECT html ~ '^<!DOCTYPE html>' AS begins, right(html, 8) AS ends, html !~ '<script|<img|<iframe|javascript:|src=|href=|@import|url\(' AS nothing_loaded,
	html ~ 'Content-Security-Policy" content="default-src ''none''' AS policy, html !~ '[^\x01-\x7e]' AS ascii FROM report;
SELECT substring(html FROM '<td data-name="Media">([^<]*alert[^<]*)</td>') FROM report;
-- elements are closed in order
CREATE FUNCTION pg_temp.unbalanced(html text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	tag text;
	open text[] = '{}';
BEGIN
	FOR tag IN SELECT m[1] FROM regexp_matches(html, '<(/?[a-z0-9]+)[^>]*>', 'g') m LOOP
		CONTINUE WHEN tag IN ('meta', 'line', 'rect');
		IF left(tag, 1) <> '/' THEN
			open = open || tag;
		ELSIF open[cardinality(open)] = substr(tag, 2) THEN
			open = open[:cardinality(open) - 1];
		ELSE
			RETURN tag || ' in ' || array_to_string(open, ' ');
		END IF;
	END LOOP;
	RETURN array_to_string(open, ' ');
END $$;
SELECT pg_temp.unbalanced(html) AS unbalanced FROM report;
DELETE FROM media;
DROP OWNED BY regress_scraper;
DROP ROLE regress_scraper;
DROP VIEW families;
DROP VIEW lines;
