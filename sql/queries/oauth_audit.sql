-- Somebody is about to see the tokens of a row. $1 the row's id, $2 its user, $3 its account
select public.create_audit_log('oauth_token.read', 'public.google_oauth_tokens', $1::text,
  p_user_id => $2::uuid, p_user_agent => 'pgherald oauth get',
  p_context => jsonb_build_object('google_account_id', $3::text, 'database_user', session_user))
