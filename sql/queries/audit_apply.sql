-- Undoes; the answer is how many rows were touched. Arguments as of audit_steps.sql
select pgherald.audit_revert_apply($1::bigint, string_to_array($2::text, ','), $3::timestamptz, $4::timestamptz, $5::bool)
