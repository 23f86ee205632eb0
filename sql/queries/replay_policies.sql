-- The audit policies as rules.
select p.table_name, to_jsonb(p)::text from pgherald.audit_policies p
