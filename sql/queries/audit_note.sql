-- Somebody is about to read the audit trail, or has undone what it tells of. $1 audit_read, audit_export or
-- audit_revert; $2 json: what was asked, and which user of which machine did; $3 json: what came of it, or null
select pgherald.note_audit_access($1::text, $2::jsonb, $3::jsonb)
