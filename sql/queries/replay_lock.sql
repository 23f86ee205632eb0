-- Whether this session may replay to the webhook: one at a time. $1 uuid
select pg_try_advisory_lock(hashtextextended('pgherald webhooks replay ' || $1::uuid, 0))
