-- Puts a new secret in the place of the present one; until when that signs too.
--
-- $1 uuid   $2 text: the secret   $3 bigint: microseconds of overlap
select to_char(pgherald.replace_webhook_secret($1::uuid, $2, $3::bigint * interval '1 microsecond') at time zone 'UTC',
  'YYYY-MM-DD"T"HH24:MI:SS"Z"')
