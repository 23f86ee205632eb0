-- pgherald: set=core
--
-- Whoever writes a webhook that can never be called, or never as it was meant, learns it at once and
-- by the name of the column. The constraints of the table stay: they hold whatever becomes of this.
-- And deleting one does not wait for those who deliver.

-- ---------------------------------------------------------------- conditions

-- What is wrong with the form of a condition, null if nothing is. The program's own parser (row/predicate.c)
-- is what counts: this one must not refuse what that one takes. What it lets pass is shown by
-- `pgherald webhooks`: patterns, names of columns, how many terms there are.
create or replace function pgherald.condition_error(condition text) returns text
language plpgsql immutable
set search_path = ''
as $$
declare
  operators constant text[] := '{eq,neq,lt,lte,gt,gte,in,like,ilike,is,match,imatch,isdistinct}';
  plain text;
  before text;
  terms text[];
  asked text;
  operator text;
  operand text;
begin
  if condition is null or condition ~ '^\s*$' then
    return null;
  elsif octet_length(condition) > 16384 then
    return 'a condition has at most 16384 bytes';
  end if;
  -- a q stands for what is in quotes or parentheses: a value, whatever it looks like
  plain := regexp_replace(condition, '"(\\.|[^"\\])*"', 'q', 'g');
  if position('"' in plain) > 0 then
    return 'a double quote is not closed';
  end if;
  loop
    before := plain;
    plain := regexp_replace(plain, '\([^()]*\)', 'q', 'g');
    exit when plain = before;
  end loop;
  if position('(' in plain) > 0 then
    return 'a parenthesis is not closed';
  end if;

  terms := string_to_array(plain, ',');
  for i in 1 .. cardinality(terms) loop
    asked := substr(terms[i], position('=' in terms[i]) + 1);
    asked := case when starts_with(asked, 'not.') then substr(asked, 5) else asked end;
    operator := split_part(asked, '.', 1);
    operand := substr(asked, length(operator) + 2);
    if position('=' in terms[i]) = 0 or btrim(split_part(terms[i], '=', 1)) in ('', 'old.')
        or position('.' in asked) = 0 then
      return format('term %s is not column=operator.value, such as status=eq.failed', i);
    elsif operator <> all (operators) then
      return format('term %s: %s is no operator; there are %s', i, quote_literal(left(operator, 40)), array_to_string(operators, ' '));
    elsif operator = 'in' and operand <> 'q' then
      return format('term %s: in takes a list in parentheses, such as in.(a,b)', i);
    elsif operator = 'is' and lower(operand) not in ('null', 'true', 'false', 'unknown', 'changed') then
      return format('term %s: is takes null, true, false, unknown or changed', i);
    elsif operator = 'is' and lower(operand) = 'changed' and btrim(terms[i]) like 'old.%' then
      return format('term %s: is.changed compares both rows: write it without old.', i);
    end if;
  end loop;
  return null;
end
$$;
comment on function pgherald.condition_error(text) is 'pgherald: what is wrong with a condition, null if nothing is';
revoke execute on function pgherald.condition_error(text) from public, anon, authenticated, service_role;

-- ---------------------------------------------------------------- headers

-- The same as dispatch/headers.c finds when it makes a request: then it would be too late. Values are not
-- quoted, they may be credentials.
create or replace function pgherald.headers_error(headers jsonb) returns text
language sql immutable
set search_path = ''
as $$
  select case
      when h.name !~ '^[!#$%&''*+.^_`|~0-9A-Za-z-]+$' then 'a name in it is not a header''s name'
      when lower(h.name) ~ '^(webhook-|proxy-)' or lower(h.name) in ('host', 'content-length', 'transfer-encoding',
          'content-encoding', 'connection', 'expect', 'upgrade', 'keep-alive', 'te', 'trailer')
        then format('%s cannot be set: it belongs to the signature or to the connection', h.name)
      when jsonb_typeof(h.value) <> 'string' then format('the value of %s is not a string', h.name)
      else format('the value of %s has a control character', h.name)
    end
  from jsonb_each(headers) as h (name, value)
  where h.name !~ '^[!#$%&''*+.^_`|~0-9A-Za-z-]+$'
    or lower(h.name) ~ '^(webhook-|proxy-)'
    or lower(h.name) in ('host', 'content-length', 'transfer-encoding', 'content-encoding', 'connection', 'expect',
      'upgrade', 'keep-alive', 'te', 'trailer')
    or jsonb_typeof(h.value) <> 'string'
    or h.value #>> '{}' ~ '[\x01-\x08\x0a-\x1f\x7f]'
  limit 1
$$;
comment on function pgherald.headers_error(jsonb) is 'pgherald: what is wrong with a webhook''s headers, null if nothing is';
revoke execute on function pgherald.headers_error(jsonb) from public, anon, authenticated, service_role;

-- ---------------------------------------------------------------- what is asked of a webhook

-- Only what is new or changed is judged where no constraint is: a row from before must not keep the
-- dispatcher from switching it off. SECURITY DEFINER: its owner has no right in schema pgherald.
create or replace function pgherald.check_webhook() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  is_new constant boolean := tg_op = 'INSERT';
  wrong record;
begin
  select w.* into wrong
  from (values
    ('name', new.name = '', 'it is empty'),
    ('url', new.url !~ '^https?://[^[:space:]]+$', 'it begins with http:// or https://, and has no space'),
    ('url_credentials', new.url ~ '^https?://[^/?#]*@', 'no credentials in it, they would end up in logs: put them into headers'),
    ('events', cardinality(new.events) = 0 or array_position(new.events, null) is not null,
      'at least one pattern, such as memories.insert, memories.* or *'),
    ('secret', new.secret !~ '^(whsec_[A-Za-z0-9+/]{32,86}={0,2}|whsk_[A-Za-z0-9+/]{43}=|whsk_[A-Za-z0-9+/]{86}==)$',
      'whsec_ and the base64 of 24 to 64 bytes, or whsk_ and that of an ed25519 key; left out, one is made'),
    ('headers', jsonb_typeof(new.headers) <> 'object', 'an object of strings, such as {"X-Tenant": "acme"}'),
    ('timeout_seconds', new.timeout_seconds not between 1 and 60, '1 to 60 seconds'),
    ('max_retries', new.max_retries not between 0 and 20, '0 to 20 attempts after the first'),
    ('ordering', new.ordering not in ('none', 'key'), 'none, or key: one delivery of a row at a time, in the order of the changes'),
    ('rate_limit_per_second', new.rate_limit_per_second not between 1 and 1000000, '1 to 1000000 requests a second, or null: as fast as it answers'),
    ('max_concurrency', new.max_concurrency not between 1 and 1000, '1 to 1000 requests at once, or null: the daemon''s setting'),
    ('retry_schedule', not (array_ndims(new.retry_schedule) = 1 and cardinality(new.retry_schedule) between 1 and 20
        and array_position(new.retry_schedule, null) is null
        and 1 <= all (new.retry_schedule) and 86400 >= all (new.retry_schedule)) or cardinality(new.retry_schedule) = 0,
      '1 to 20 waits of 1 to 86400 seconds, such as {5,300,1800}, or null: the standard ones'),
    ('payload_format', new.payload_format not in ('standard', 'supabase', 'cloudevents'), 'standard, supabase or cloudevents'),
    ('columns', cardinality(new.columns) = 0 or array_position(new.columns, null) is not null,
      'at least one column''s name, or null: all of them')
  ) as w (about, is_wrong, expected)
  where w.is_wrong
  limit 1;
  if found then
    raise exception 'webhooks.%: %', regexp_replace(wrong.about, '_credentials$', ''), wrong.expected
      using errcode = 'check_violation', schema = 'public', table = 'webhooks',
        column = regexp_replace(wrong.about, '_credentials$', ''), constraint = format('webhooks_%s_check', wrong.about);
  end if;

  select w.* into wrong
  from (
    select 'events' as about, format('%s is no pattern of an event: table.insert, table.update, table.delete or table.truncate, '
      'schema.table.insert, or with * for any part', quote_literal(e.pattern)) as expected
    from unnest(new.events) as e (pattern)
    where (is_new or new.events is distinct from old.events)
      and e.pattern !~ '\*|.\.(insert|update|delete|truncate)$'
    union all
    select 'filter', pgherald.condition_error(new.filter) where is_new or new.filter is distinct from old.filter
    union all
    select 'headers', pgherald.headers_error(new.headers) where is_new or new.headers is distinct from old.headers
  ) w
  where w.expected is not null
  limit 1;
  if found then
    raise exception 'webhooks.%: %', wrong.about, wrong.expected
      using errcode = 'check_violation', schema = 'public', table = 'webhooks', column = wrong.about;
  end if;
  return new;
end
$$;
comment on function pgherald.check_webhook() is 'pgherald: trigger that says what is wrong with a webhook, by the column';
revoke execute on function pgherald.check_webhook() from public, anon, authenticated, service_role;
create or replace trigger check_webhook before insert or update on public.webhooks
  for each row execute function pgherald.check_webhook();

-- ---------------------------------------------------------------- deleting a webhook

-- As in 007, but it waits for no dispatcher: two that wait for each other's deliveries end in a deadlock, which
-- the owner would be told. What is being recorded stays behind, for dispatch_sweep.sql and the retention.
-- The health goes first, since that one is waited for, and then nothing is held that a dispatcher waits for.
create or replace function pgherald.delete_webhook_deliveries() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  delete from pgherald.webhook_health where webhook_id = old.id;
  delete from public.webhook_deliveries
  where id in (select d.id from public.webhook_deliveries d where d.webhook_id = old.id for update skip locked);
  return null;
end
$$;
comment on function pgherald.delete_webhook_deliveries() is 'pgherald: trigger that clears the outbox of a deleted webhook';
revoke execute on function pgherald.delete_webhook_deliveries() from public;
drop trigger if exists forget_health on public.webhooks;
