-- retention: how long finished jobs and the rows of the logs are kept.

CREATE TABLE researcharr.retention_rules (
	target text NOT NULL,
	keep   interval NOT NULL,
	CONSTRAINT retention_rules_pkey PRIMARY KEY (target),
	CONSTRAINT retention_rules_target_check CHECK (target IN ('completed_jobs', 'failed_jobs', 'cancelled_jobs', 'history', 'audit')),
	CONSTRAINT retention_rules_keep_check CHECK (keep > interval '0')
);
COMMENT ON TABLE researcharr.retention_rules IS 'how long rows are kept; without a row, for ever';
COMMENT ON COLUMN researcharr.retention_rules.target IS 'completed_jobs, failed_jobs, cancelled_jobs, history or audit';
COMMENT ON COLUMN researcharr.retention_rules.keep IS 'older rows are deleted; a month counts as 30 days';

CREATE TRIGGER researcharr_audit_insert AFTER INSERT ON researcharr.retention_rules
	REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('retention_rule', 'key', 'target');
CREATE TRIGGER researcharr_audit_update AFTER UPDATE ON researcharr.retention_rules
	REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('retention_rule', 'key', 'target');
CREATE TRIGGER researcharr_audit_delete AFTER DELETE ON researcharr.retention_rules
	REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('retention_rule', 'key', 'target');
CREATE TRIGGER researcharr_audit_truncate AFTER TRUNCATE ON researcharr.retention_rules
	FOR EACH STATEMENT EXECUTE FUNCTION researcharr.audit_record('retention_rule', 'key', 'target');
ALTER TABLE researcharr.retention_rules ENABLE ALWAYS TRIGGER researcharr_audit_insert;
ALTER TABLE researcharr.retention_rules ENABLE ALWAYS TRIGGER researcharr_audit_update;
ALTER TABLE researcharr.retention_rules ENABLE ALWAYS TRIGGER researcharr_audit_delete;
ALTER TABLE researcharr.retention_rules ENABLE ALWAYS TRIGGER researcharr_audit_truncate;
COMMENT ON TRIGGER researcharr_audit_insert ON researcharr.retention_rules IS 'rows made';
COMMENT ON TRIGGER researcharr_audit_update ON researcharr.retention_rules IS 'rows changed';
COMMENT ON TRIGGER researcharr_audit_delete ON researcharr.retention_rules IS 'rows deleted';
COMMENT ON TRIGGER researcharr_audit_truncate ON researcharr.retention_rules IS 'all rows gone';

CREATE FUNCTION researcharr.retention_set(target text, keep interval)
RETURNS void LANGUAGE C
AS 'MODULE_PATHNAME', 'researcharr_retention_set';
COMMENT ON FUNCTION researcharr.retention_set(text, interval)
IS 'sets how long completed_jobs, failed_jobs, cancelled_jobs, history or audit are kept; NULL for ever';

CREATE FUNCTION researcharr.retention_list(OUT target text, OUT keep interval)
RETURNS SETOF record LANGUAGE C STABLE ROWS 5
AS 'MODULE_PATHNAME', 'researcharr_retention_list';
COMMENT ON FUNCTION researcharr.retention_list()
IS 'how long rows are kept: a row for each target; NULL for ever';

SELECT pg_catalog.pg_extension_config_dump('researcharr.retention_rules', '');
