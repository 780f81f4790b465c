-- ops: the background worker, the schedule, retention.

CREATE FUNCTION researcharr.worker_status(OUT database name, OUT task text, OUT pid int, OUT last_start timestamptz,
	OUT duration interval, OUT result text, OUT error text, OUT failures int, OUT runs bigint, OUT next_due timestamptz,
	OUT progress text)
RETURNS SETOF record LANGUAGE C VOLATILE ROWS 20
AS 'MODULE_PATHNAME', 'researcharr_worker_status';
COMMENT ON FUNCTION researcharr.worker_status() IS
	'what the background worker does, did and will do: a row for each maintenance task, and for each process that one started';

CREATE PROCEDURE researcharr.run_maintenance()
LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_run_maintenance';
COMMENT ON PROCEDURE researcharr.run_maintenance() IS
	'runs each maintenance task once, and commits after each; for servers without the background worker';
