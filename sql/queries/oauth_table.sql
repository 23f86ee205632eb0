-- Whether google_oauth_tokens is there as the seed application has it. What row level security would
-- hide from this session is an error from now on: rows must not be passed over in silence.
select
  (select count(*) from pg_attribute
   where attrelid = to_regclass('public.google_oauth_tokens') and not attisdropped
     and attname in ('id', 'user_id', 'google_account_id', 'google_email', 'access_token_encrypted',
       'refresh_token_encrypted', 'encryption_key_id', 'scopes', 'token_type', 'expires_at',
       'last_refreshed_at', 'revoked_at')) = 12,
  to_regclass('public.google_oauth_tokens') is not null,
  set_config('row_security', 'off', false)
