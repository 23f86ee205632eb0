-- The audit policies as rules: as they are, and without what they hash, since entries have it hashed.
select p.table_name, to_jsonb(p)::text, (to_jsonb(p) - 'hash')::text
from pgherald.audit_policies p
