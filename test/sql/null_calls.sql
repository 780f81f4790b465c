-- Every function and procedure of the extension, called with NULL for every
-- argument, gives an answer or an error of its own: no crash, no internal error.
SET client_min_messages = warning;
CREATE FUNCTION pg_temp.call(function regprocedure, OUT outcome text) LANGUAGE plpgsql AS $$
DECLARE
    verb text := (SELECT CASE WHEN prokind = 'p' THEN 'CALL '
                              WHEN prorettype = 'trigger'::regtype THEN 'SELECT '
                              ELSE 'SELECT count(*) FROM ' END
                    FROM pg_proc WHERE oid = function);
    call text := (SELECT format('%s.%I(%s)', pronamespace::regnamespace, proname,
                                (SELECT string_agg('NULL::' || format_type(type, NULL), ', ' ORDER BY n)
                                   FROM unnest(proargtypes) WITH ORDINALITY AS a (type, n)))
                    FROM pg_proc WHERE oid = function);
BEGIN
    EXECUTE verb || call;
    outcome := 'an answer';
EXCEPTION WHEN OTHERS THEN
    outcome := SQLSTATE;
END $$;
CREATE TEMP TABLE outcomes AS
SELECT p.oid::regprocedure AS function, prorettype = 'trigger'::regtype AS is_trigger,
       pg_temp.call(p.oid) AS outcome
  FROM pg_depend AS d JOIN pg_proc AS p ON p.oid = d.objid
 WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
   AND d.refclassid = 'pg_extension'::regclass
   AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'researcharr')
   AND prorettype <> 'event_trigger'::regtype;
SELECT count(*) > 30 AS many FROM outcomes;
-- whoever asks for an argument says 22004, or what is wrong with NULL
SELECT function, outcome FROM outcomes
 WHERE NOT is_trigger AND outcome NOT IN ('an answer', '22004', 'RA005')
 ORDER BY function::text COLLATE "C";
-- trigger functions: whoever calls them by hand is told so
SELECT function, outcome FROM outcomes
 WHERE is_trigger AND outcome <> '39P01'
 ORDER BY function::text COLLATE "C";
-- what never is an outcome
SELECT function, outcome FROM outcomes WHERE outcome LIKE 'XX%' OR outcome = '42883';
