-- The notifications of a batch; how many the table refused, and why it refused the first.
-- $1 jsonb array of {user_id, rule_id, type, title, message, priority, data, expires_in, dedupe_key}
select refused, reason from pgherald.store_notifications($1::jsonb)
