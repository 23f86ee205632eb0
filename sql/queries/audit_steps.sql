-- What undoes, the last change first. $1 xid or null; $2 tables with commas between, or null; $3, $4 from and
-- to; $5 bool: over later changes too
declare audit_page no scroll cursor for
select json_build_object(
    'place', r.place,
    'statement', r.statement,
    'problem', r.problem,
    'conflict', r.conflict,
    'remark', r.remark,
    'action', r.action,
    'table', r.resource_type,
    'key', r.resource_id,
    'time', to_char(r.occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'xid', r.xid,
    'id', r.entry_id)
from pgherald.audit_revert($1::bigint, string_to_array($2::text, ','), $3::timestamptz, $4::timestamptz, $5::bool) r
order by r.place
