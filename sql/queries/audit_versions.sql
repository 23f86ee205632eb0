-- The versions of a row, the oldest first: as JSON, and what is shown of them, where each value of the
-- differences is its JSON text, so that no digit is lost. $1 table, $2 key, $3, $4 from and to, or null;
-- $5 bool: the first, else the second
declare audit_page no scroll cursor for
select case when $5::bool then json_build_object(
    'version', h.version,
    'time', to_char(h.occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'action', h.action,
    'diff', h.diff,
    'old_key', h.old_key,
    'new_key', h.new_key,
    'user_id', h.user_id,
    'address', host(h.ip_address),
    'session_id', h.session_id,
    'user_agent', h.user_agent,
    'xid', h.xid,
    'commit_lsn', h.commit_lsn,
    'ordinal', h.ordinal,
    'id', h.entry_id,
    'context', h.context)
  else json_build_object(
    'version', h.version,
    'time', to_char(h.occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'action', h.action,
    'diff', (select json_object_agg(d.key, json_strip_nulls(json_build_object(
      'old', (d.value -> 'old')::text, 'new', (d.value -> 'new')::text)) order by d.key) from jsonb_each(h.diff) d),
    'old_key', h.old_key,
    'new_key', h.new_key,
    'user_id', h.user_id,
    'address', host(h.ip_address))
  end
from pgherald.audit_history($1::text, $2::text, $3::timestamptz, $4::timestamptz) h
