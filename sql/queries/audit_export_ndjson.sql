-- Entries in the order in which they were stored, as JSON. Arguments as of audit_log.sql, $1 to $6
declare audit_page no scroll cursor for
select json_build_object(
    'id', a.id,
    'occurred_at', to_char(a.occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'commit_lsn', a.commit_lsn,
    'ordinal', a.ordinal,
    'xid', a.xid,
    'user_id', a.user_id,
    'action', a.action,
    'resource_type', a.resource_type,
    'resource_id', a.resource_id,
    'old_resource_id', a.old_resource_id,
    'old_values', a.old_values,
    'new_values', a.new_values,
    'changed_fields', a.changed_fields,
    'ip_address', host(a.ip_address),
    'session_id', a.session_id,
    'user_agent', a.user_agent,
    'context', a.context)
from public.audit_logs a
where ($1::text is null or a.resource_type = any (array(select unnest(t.names || $1) from pgherald.audit_table($1) t)))
  and ($2::text is null
    or a.resource_id = (select pgherald.audit_key(t.relation, $2) from pgherald.audit_table($1) t)
    or a.old_resource_id = (select pgherald.audit_key(t.relation, $2) from pgherald.audit_table($1) t))
  and ($3::uuid is null or a.user_id = $3)
  and ($4::timestamptz is null or a.occurred_at >= $4)
  and ($5::timestamptz is null or a.occurred_at <= $5)
  and ($6::text is null or a.action = any (regexp_split_to_array(btrim($6) || ',' || lower(btrim($6)), '\s*,\s*')))
order by a.id
