-- wanted: what the instances lack

CREATE FUNCTION researcharr.wanted_get_all(instance text, kind text DEFAULT 'missing', job_type text DEFAULT 'search',
	"limit" bigint DEFAULT NULL, "offset" bigint DEFAULT NULL, order_by text DEFAULT NULL)
RETURNS SETOF researcharr.tracked_items LANGUAGE C STABLE ROWS 50
AS 'MODULE_PATHNAME', 'researcharr_wanted_get_all';
COMMENT ON FUNCTION researcharr.wanted_get_all(text, text, text, bigint, bigint, text)
IS 'what is monitored, available, and missing or below its cutoff, without an unfinished job of the type, and due for a search';

CREATE FUNCTION researcharr.wanted_enqueue(instance text, kind text DEFAULT 'missing', job_type text DEFAULT 'search',
	"limit" int DEFAULT 10, order_by text DEFAULT NULL, priority int DEFAULT NULL)
RETURNS SETOF uuid LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_wanted_enqueue';
COMMENT ON FUNCTION researcharr.wanted_enqueue(text, text, text, int, text, int)
IS 'enqueues jobs for the first rows of wanted_get_all, and returns their ids; the items are updated when the jobs end';

-- webhooks

CREATE FUNCTION researcharr.media_apply_webhook(instance text, payload jsonb,
	OUT event text, OUT applied boolean, OUT media_id uuid)
RETURNS record LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_media_apply_webhook';
COMMENT ON FUNCTION researcharr.media_apply_webhook(text, jsonb)
IS 'applies what an instance of Radarr or Sonarr sends when something happens; can be repeated';
