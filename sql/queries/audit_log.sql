-- Entries of the audit trail, the newest first: as JSON, all of it or what a table shows; and their images.
-- $1 table, $2 key, $3 user, $4, $5 from and to, $6 actions: null for all of them; $7 rows at most, or null;
-- $8 bool: all of it; $9 bool: the images too, else null
declare audit_page no scroll cursor for
select a.id, a.resource_type, a.action,
  case when $8::bool then json_build_object(
    'id', a.id,
    'time', to_char(a.occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'action', a.action,
    'table', a.resource_type,
    'key', a.resource_id,
    'old_key', a.old_resource_id,
    'user_id', a.user_id,
    'address', host(a.ip_address),
    'session_id', a.session_id,
    'user_agent', a.user_agent,
    'changed', a.changed_fields,
    'xid', a.xid,
    'commit_lsn', a.commit_lsn,
    'ordinal', a.ordinal,
    'context', a.context,
    'old_values', a.old_values,
    'new_values', a.new_values)
  else json_build_object(
    'time', to_char(a.occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'action', a.action,
    'table', a.resource_type,
    'key', a.resource_id,
    'user_id', a.user_id,
    'address', host(a.ip_address),
    'changed', array_to_string(a.changed_fields, ','),
    'xid', a.xid)
  end,
  case when $9::bool then a.old_values end,
  case when $9::bool then a.new_values end
from public.audit_logs a
where ($1::text is null or a.resource_type = any (array(select unnest(t.names || $1) from pgherald.audit_table($1) t)))
  and ($2::text is null
    or a.resource_id = (select pgherald.audit_key(t.relation, $2) from pgherald.audit_table($1) t)
    or a.old_resource_id = (select pgherald.audit_key(t.relation, $2) from pgherald.audit_table($1) t))
  and ($3::uuid is null or a.user_id = $3)
  and ($4::timestamptz is null or a.occurred_at >= $4)
  and ($5::timestamptz is null or a.occurred_at <= $5)
  and ($6::text is null or a.action = any (regexp_split_to_array(btrim($6) || ',' || lower(btrim($6)), '\s*,\s*')))
order by a.id desc
limit $7::int
