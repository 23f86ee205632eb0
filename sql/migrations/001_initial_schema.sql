-- pgherald: set=seed
--
-- The application itself: people, what they said (transcripts, chats, meetings) and what was
-- made of it (memories, summaries).
--
-- Every row belongs to one user (user_id). Where a row hangs on another one, the foreign key
-- holds both columns, (session_id, user_id), so that nobody can hang a row on a stranger's;
-- it stands for the key to users too, which the parent has.
-- ON DELETE: what is a part of the parent goes with it; what stands for itself stays.

-- ---------------------------------------------------------------- users

create table if not exists public.users (
  id uuid primary key default gen_random_uuid(),
  -- null for those who signed up with a phone number
  email text,
  full_name text,
  avatar_url text,
  role text not null default 'user',
  timezone text not null default 'UTC',
  locale text not null default 'en',
  settings jsonb not null default '{}',
  is_active boolean not null default true,
  last_sign_in_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint users_email_check check (email ~ '^[^@[:space:]]+@[^@[:space:]]+$'),
  constraint users_role_check check (role in ('user', 'admin')),
  constraint users_settings_check check (jsonb_typeof(settings) = 'object')
);
comment on table public.users is 'pgherald seed: accounts and profiles; on Supabase a mirror of auth.users';
create unique index if not exists users_email_idx on public.users (lower(email));
create index if not exists users_created_idx on public.users (created_at desc);

-- ---------------------------------------------------------------- memories

-- embedding is added below: its type depends on what the server has
create table if not exists public.memories (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references public.users (id) on delete cascade,
  title text,
  content text not null,
  memory_type text not null default 'note',
  -- where it came from: a transcript, chat message or meeting that may be gone by now
  source_type text,
  source_id uuid,
  tags text[] not null default '{}',
  importance real not null default 0.5,
  embedding_model text,
  metadata jsonb not null default '{}',
  is_archived boolean not null default false,
  access_count int not null default 0,
  last_accessed_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint memories_content_check check (content <> ''),
  constraint memories_memory_type_check
    check (memory_type in ('note', 'fact', 'preference', 'event', 'task', 'conversation')),
  constraint memories_source_type_check
    check (source_type in ('transcript', 'summary', 'chat', 'meeting', 'file', 'manual')),
  constraint memories_importance_check check (importance between 0 and 1),
  constraint memories_access_count_check check (access_count >= 0)
);
comment on table public.memories is 'pgherald seed: what the assistant remembers, with embeddings';
create index if not exists memories_user_idx on public.memories (user_id, created_at desc);
create index if not exists memories_source_idx on public.memories (source_id) where source_id is not null;
create index if not exists memories_tags_idx on public.memories using gin (tags);

-- ---------------------------------------------------------------- transcripts, summaries

create table if not exists public.transcripts (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references public.users (id) on delete cascade,
  -- refers to files, which 003 makes and where it adds the key
  file_id uuid,
  title text,
  content text,
  segments jsonb not null default '[]',
  language text,
  duration_seconds numeric(12, 3),
  word_count int,
  confidence real,
  model text,
  status text not null default 'pending',
  error text,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint transcripts_owner_key unique (id, user_id),
  constraint transcripts_status_check check (status in ('pending', 'processing', 'completed', 'failed')),
  constraint transcripts_content_check check (status <> 'completed' or content is not null),
  constraint transcripts_duration_check check (duration_seconds >= 0),
  constraint transcripts_word_count_check check (word_count >= 0),
  constraint transcripts_confidence_check check (confidence between 0 and 1)
);
comment on table public.transcripts is 'pgherald seed: speech turned into text';
create index if not exists transcripts_user_idx on public.transcripts (user_id, created_at desc);
create index if not exists transcripts_status_idx on public.transcripts (status, created_at)
  where status in ('pending', 'processing');
create index if not exists transcripts_file_idx on public.transcripts (file_id) where file_id is not null;

create table if not exists public.summaries (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references public.users (id) on delete cascade,
  transcript_id uuid,
  title text,
  summary_type text not null default 'brief',
  content text not null,
  key_points jsonb not null default '[]',
  action_items jsonb not null default '[]',
  model text,
  prompt_tokens int not null default 0,
  completion_tokens int not null default 0,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint summaries_transcript_fkey foreign key (transcript_id, user_id)
    references public.transcripts (id, user_id) on update cascade on delete cascade,
  constraint summaries_summary_type_check check (summary_type in ('brief', 'detailed', 'bullets', 'actions')),
  constraint summaries_tokens_check check (prompt_tokens >= 0 and completion_tokens >= 0)
);
comment on table public.summaries is 'pgherald seed: summaries of transcripts or of anything else';
create index if not exists summaries_user_idx on public.summaries (user_id, created_at desc);
create index if not exists summaries_transcript_idx on public.summaries (transcript_id) where transcript_id is not null;

-- ---------------------------------------------------------------- chats

create table if not exists public.chat_sessions (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references public.users (id) on delete cascade,
  title text not null default 'New chat',
  model text,
  system_prompt text,
  is_pinned boolean not null default false,
  is_archived boolean not null default false,
  last_message_at timestamptz,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint chat_sessions_owner_key unique (id, user_id)
);
comment on table public.chat_sessions is 'pgherald seed: conversations with the assistant';
create index if not exists chat_sessions_user_idx on public.chat_sessions (user_id, last_message_at desc nulls last);
create index if not exists chat_sessions_user_created_idx on public.chat_sessions (user_id, created_at desc);

create table if not exists public.chat_messages (
  id uuid primary key default gen_random_uuid(),
  session_id uuid not null,
  user_id uuid not null,
  role text not null,
  content text not null,
  model text,
  prompt_tokens int not null default 0,
  completion_tokens int not null default 0,
  total_tokens int not null generated always as (prompt_tokens + completion_tokens) stored,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint chat_messages_session_fkey foreign key (session_id, user_id)
    references public.chat_sessions (id, user_id) on update cascade on delete cascade,
  constraint chat_messages_role_check check (role in ('system', 'user', 'assistant', 'tool')),
  constraint chat_messages_tokens_check check (prompt_tokens >= 0 and completion_tokens >= 0)
);
comment on table public.chat_messages is 'pgherald seed: what was said in a chat, and the tokens it took';
create index if not exists chat_messages_session_idx on public.chat_messages (session_id, created_at);
-- covers get_user_token_usage()
create index if not exists chat_messages_user_idx on public.chat_messages (user_id, created_at desc)
  include (prompt_tokens, completion_tokens);

-- The list of chats is sorted by the last message.
create or replace function pgherald.touch_chat_session() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  update public.chat_sessions
  set last_message_at = new.created_at
  where id = new.session_id and (last_message_at is null or last_message_at < new.created_at);
  return null;
end
$$;
comment on function pgherald.touch_chat_session() is 'pgherald: trigger that keeps chat_sessions.last_message_at';
revoke execute on function pgherald.touch_chat_session() from public;
create or replace trigger touch_session after insert on public.chat_messages
  for each row execute function pgherald.touch_chat_session();

-- ---------------------------------------------------------------- google_oauth_tokens

-- The tokens are encrypted by the application before they come here, and the key, named by
-- encryption_key_id, is not in the database.
create table if not exists public.google_oauth_tokens (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references public.users (id) on delete cascade,
  google_account_id text not null,
  google_email text,
  access_token_encrypted bytea not null,
  refresh_token_encrypted bytea,
  encryption_key_id text not null,
  scopes text[] not null default '{}',
  token_type text not null default 'Bearer',
  expires_at timestamptz,
  last_refreshed_at timestamptz,
  revoked_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint google_oauth_tokens_account_key unique (user_id, google_account_id),
  constraint google_oauth_tokens_key_id_check check (encryption_key_id <> ''),
  -- A nonce and a tag alone are 28 bytes; Google's plain tokens begin like these. Whoever
  -- forgets to encrypt hears of it.
  constraint google_oauth_tokens_access_check check (
    octet_length(access_token_encrypted) > 28
    and substring(access_token_encrypted from 1 for 5) <> 'ya29.'::bytea),
  constraint google_oauth_tokens_refresh_check check (
    octet_length(refresh_token_encrypted) > 28
    and substring(refresh_token_encrypted from 1 for 3) <> '1//'::bytea)
);
comment on table public.google_oauth_tokens is 'pgherald seed: access to Google accounts, encrypted';
create index if not exists google_oauth_tokens_expires_idx on public.google_oauth_tokens (expires_at)
  where revoked_at is null;

-- ---------------------------------------------------------------- meetings

-- user_id is the organiser. Participants read what belongs to the meeting.
create table if not exists public.meetings (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references public.users (id) on delete cascade,
  title text not null,
  description text,
  calendar_id text,
  google_event_id text,
  meeting_url text,
  platform text not null default 'google_meet',
  location text,
  start_time timestamptz not null,
  end_time timestamptz not null,
  timezone text not null default 'UTC',
  status text not null default 'scheduled',
  is_bot_enabled boolean not null default false,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint meetings_owner_key unique (id, user_id),
  constraint meetings_google_event_key unique (user_id, google_event_id),
  constraint meetings_platform_check check (platform in ('google_meet', 'zoom', 'teams', 'in_person', 'other')),
  constraint meetings_status_check check (status in ('scheduled', 'in_progress', 'completed', 'cancelled')),
  constraint meetings_time_check check (end_time >= start_time)
);
comment on table public.meetings is 'pgherald seed: meetings of a calendar';
create index if not exists meetings_user_idx on public.meetings (user_id, start_time desc);
create index if not exists meetings_user_created_idx on public.meetings (user_id, created_at desc);
create index if not exists meetings_status_idx on public.meetings (status, start_time)
  where status in ('scheduled', 'in_progress');

create table if not exists public.meeting_participants (
  id uuid primary key default gen_random_uuid(),
  meeting_id uuid not null references public.meetings (id) on delete cascade,
  -- known to the application or not; a person who leaves it did still take part
  user_id uuid references public.users (id) on delete set null,
  email text not null,
  display_name text,
  role text not null default 'required',
  response_status text not null default 'needs_action',
  joined_at timestamptz,
  left_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint meeting_participants_meeting_key unique (id, meeting_id),
  constraint meeting_participants_email_check check (email ~ '^[^@[:space:]]+@[^@[:space:]]+$'),
  constraint meeting_participants_role_check check (role in ('organizer', 'required', 'optional')),
  constraint meeting_participants_response_check
    check (response_status in ('needs_action', 'accepted', 'declined', 'tentative')),
  constraint meeting_participants_time_check check (left_at >= joined_at)
);
comment on table public.meeting_participants is 'pgherald seed: who was asked to a meeting and who came';
create unique index if not exists meeting_participants_email_idx on public.meeting_participants (meeting_id, lower(email));
create index if not exists meeting_participants_user_idx on public.meeting_participants (user_id, meeting_id);

create table if not exists public.meeting_bot_sessions (
  id uuid primary key default gen_random_uuid(),
  meeting_id uuid not null,
  user_id uuid not null,
  provider text not null default 'internal',
  external_bot_id text,
  status text not null default 'scheduled',
  scheduled_at timestamptz not null default now(),
  joined_at timestamptz,
  left_at timestamptz,
  error text,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint meeting_bot_sessions_meeting_key unique (id, meeting_id),
  constraint meeting_bot_sessions_meeting_fkey foreign key (meeting_id, user_id)
    references public.meetings (id, user_id) on update cascade on delete cascade,
  constraint meeting_bot_sessions_external_key unique (provider, external_bot_id),
  constraint meeting_bot_sessions_status_check
    check (status in ('scheduled', 'joining', 'waiting', 'recording', 'completed', 'failed', 'cancelled')),
  constraint meeting_bot_sessions_time_check check (left_at >= joined_at)
);
comment on table public.meeting_bot_sessions is 'pgherald seed: a bot''s visit to a meeting';
create index if not exists meeting_bot_sessions_meeting_idx on public.meeting_bot_sessions (meeting_id);
create index if not exists meeting_bot_sessions_user_idx on public.meeting_bot_sessions (user_id, created_at desc);
create index if not exists meeting_bot_sessions_status_idx on public.meeting_bot_sessions (status, scheduled_at)
  where status not in ('completed', 'failed', 'cancelled');

-- One row a spoken piece, as it comes in.
create table if not exists public.meeting_transcripts (
  id uuid primary key default gen_random_uuid(),
  meeting_id uuid not null,
  user_id uuid not null,
  bot_session_id uuid,
  participant_id uuid,
  sequence int not null,
  speaker_name text,
  content text not null,
  start_ms int not null default 0,
  end_ms int not null default 0,
  language text,
  confidence real,
  is_final boolean not null default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint meeting_transcripts_meeting_fkey foreign key (meeting_id, user_id)
    references public.meetings (id, user_id) on update cascade on delete cascade,
  -- of this meeting, no other; what was said stays when the bot's or speaker's row goes
  constraint meeting_transcripts_bot_fkey foreign key (bot_session_id, meeting_id)
    references public.meeting_bot_sessions (id, meeting_id) on delete set null (bot_session_id),
  constraint meeting_transcripts_participant_fkey foreign key (participant_id, meeting_id)
    references public.meeting_participants (id, meeting_id) on delete set null (participant_id),
  constraint meeting_transcripts_sequence_key unique (meeting_id, sequence),
  constraint meeting_transcripts_time_check check (start_ms >= 0 and end_ms >= start_ms),
  constraint meeting_transcripts_confidence_check check (confidence between 0 and 1)
);
comment on table public.meeting_transcripts is 'pgherald seed: what is said in a meeting, piece by piece';
create index if not exists meeting_transcripts_user_idx on public.meeting_transcripts (user_id, created_at desc);
create index if not exists meeting_transcripts_bot_idx on public.meeting_transcripts (bot_session_id) where bot_session_id is not null;
create index if not exists meeting_transcripts_participant_idx on public.meeting_transcripts (participant_id) where participant_id is not null;

create table if not exists public.meeting_summaries (
  id uuid primary key default gen_random_uuid(),
  meeting_id uuid not null,
  user_id uuid not null,
  summary_type text not null default 'full',
  summary text not null,
  key_points jsonb not null default '[]',
  action_items jsonb not null default '[]',
  decisions jsonb not null default '[]',
  model text,
  prompt_tokens int not null default 0,
  completion_tokens int not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint meeting_summaries_meeting_fkey foreign key (meeting_id, user_id)
    references public.meetings (id, user_id) on update cascade on delete cascade,
  constraint meeting_summaries_type_key unique (meeting_id, summary_type),
  constraint meeting_summaries_tokens_check check (prompt_tokens >= 0 and completion_tokens >= 0)
);
comment on table public.meeting_summaries is 'pgherald seed: what came out of a meeting';
create index if not exists meeting_summaries_user_idx on public.meeting_summaries (user_id, created_at desc);

-- ---------------------------------------------------------------- embeddings

-- pgvector where the server has it and we may create it, an array of the same length where
-- not. Whoever installs pgvector later converts the column by hand and runs 002 again (see
-- docs/schema.md): a table rewrite is not an upgrade's to decide.
do $embedding$
declare
  vector_type text;
begin
  begin
    if to_regnamespace('extensions') is not null then
      create extension if not exists vector with schema extensions;  -- Supabase's place for them
    else
      create extension if not exists vector;
    end if;
  exception when feature_not_supported or undefined_file or insufficient_privilege then
    raise notice 'pgvector cannot be created here (%): memories.embedding is a plain array', sqlerrm;
  end;

  select format('%I.vector(1536)', n.nspname) into vector_type
  from pg_catalog.pg_extension e
  join pg_catalog.pg_namespace n on n.oid = e.extnamespace
  where e.extname = 'vector';

  if vector_type is not null then
    execute format('alter table public.memories add column if not exists embedding %s', vector_type);
  else
    alter table public.memories add column if not exists embedding real[]
      constraint memories_embedding_check
        check (cardinality(embedding) = 1536 and array_position(embedding, null) is null);
  end if;
end
$embedding$;

-- ---------------------------------------------------------------- Supabase: users mirror auth.users

do $mirror$
begin
  if to_regclass('auth.users') is null then
    return;
  end if;

  create or replace function pgherald.mirror_auth_user() returns trigger
  language plpgsql
  security definer
  set search_path = ''
  as $$
  begin
    insert into public.users (id, email, full_name, avatar_url, last_sign_in_at)
    values (new.id, new.email, new.raw_user_meta_data ->> 'full_name',
      new.raw_user_meta_data ->> 'avatar_url', new.last_sign_in_at)
    on conflict (id) do update
      set email = excluded.email, last_sign_in_at = excluded.last_sign_in_at;
    return null;
  exception when unique_violation or check_violation then
    -- An address that another row still holds, or one that we would not accept, must not
    -- stop a sign-up: the account comes without it.
    raise warning 'users: % is mirrored without its e-mail address: %', new.id, sqlerrm;
    insert into public.users (id) values (new.id) on conflict (id) do nothing;
    return null;
  end
  $$;
  comment on function pgherald.mirror_auth_user() is 'pgherald: trigger that mirrors auth.users';
  revoke execute on function pgherald.mirror_auth_user() from public;

  create or replace trigger pgherald_mirror_user
    after insert or update of email, last_sign_in_at on auth.users
    for each row execute function pgherald.mirror_auth_user();

  -- those who signed up before us
  insert into public.users (id, email, full_name, avatar_url, last_sign_in_at, created_at)
  select u.id, u.email, u.raw_user_meta_data ->> 'full_name', u.raw_user_meta_data ->> 'avatar_url',
    u.last_sign_in_at, coalesce(u.created_at, now())
  from auth.users u
  on conflict do nothing;

  if not exists (
    select 1 from pg_catalog.pg_constraint
    where conrelid = 'public.users'::regclass and conname = 'users_auth_fkey'
  ) then
    alter table public.users add constraint users_auth_fkey
      foreign key (id) references auth.users (id) on delete cascade;
  end if;
end
$mirror$;

-- ---------------------------------------------------------------- who may do what

-- The meetings that the caller was asked to. SECURITY DEFINER because the policies of
-- meetings and of meeting_participants would otherwise ask each other without end; it
-- answers for the caller alone.
create or replace function pgherald.joined_meetings() returns setof uuid
language sql stable
security definer
set search_path = ''
as $$
  select p.meeting_id from public.meeting_participants p where p.user_id = auth.uid()
$$;
comment on function pgherald.joined_meetings() is 'pgherald: for the policies: the meetings in which the caller takes part';
revoke execute on function pgherald.joined_meetings() from public;
grant execute on function pgherald.joined_meetings() to authenticated;

-- What all twelve tables share. On Supabase default privileges hand every new table to anon
-- and authenticated, so grants start from nothing; anon gets none at all.
do $access$
declare
  t text;
begin
  foreach t in array array[
    'users', 'memories', 'transcripts', 'summaries', 'chat_sessions', 'chat_messages',
    'google_oauth_tokens', 'meetings', 'meeting_participants', 'meeting_transcripts',
    'meeting_summaries', 'meeting_bot_sessions']
  loop
    -- the stream then carries the row as it was, which the audit trail stores
    execute format('alter table public.%I replica identity full', t);
    execute format('create or replace trigger set_updated_at before update on public.%I
      for each row execute function pgherald.set_updated_at()', t);
    execute format('alter table public.%I enable row level security', t);
    execute format('revoke all on public.%I from public, anon, authenticated, service_role', t);
    execute format('grant select, insert, update, delete on public.%I to service_role', t);
  end loop;

  -- A user does everything with his own rows. (select auth.uid()) is asked once per query.
  foreach t in array array[
    'memories', 'transcripts', 'summaries', 'chat_sessions', 'chat_messages',
    'meetings', 'meeting_transcripts', 'meeting_summaries', 'meeting_bot_sessions']
  loop
    execute format('grant select, insert, update, delete on public.%I to authenticated', t);
    execute format('drop policy if exists %I on public.%I', t || '_owner', t);
    execute format('create policy %I on public.%I for all to authenticated
      using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()))', t || '_owner', t);
  end loop;

  -- Participants read what belongs to the meeting. As an array, computed once, it can be
  -- looked up in an index; an EXISTS beside the owner's policy would read the whole table.
  foreach t in array array['meeting_transcripts', 'meeting_summaries'] loop
    execute format('drop policy if exists %I on public.%I', t || '_participant_select', t);
    execute format('create policy %I on public.%I for select to authenticated
      using (meeting_id = any (array(select pgherald.joined_meetings())))', t || '_participant_select', t);
  end loop;
end
$access$;

drop policy if exists meetings_participant_select on public.meetings;
create policy meetings_participant_select on public.meetings
  for select to authenticated using (id = any (array(select pgherald.joined_meetings())));

-- Whom a meeting is for, its organiser says; who is asked sees who else is.
grant select, insert, update, delete on public.meeting_participants to authenticated;
drop policy if exists meeting_participants_select on public.meeting_participants;
create policy meeting_participants_select on public.meeting_participants
  for select to authenticated using (meeting_id = any (array(select pgherald.joined_meetings())));
drop policy if exists meeting_participants_organiser on public.meeting_participants;
create policy meeting_participants_organiser on public.meeting_participants
  for all to authenticated
  using (exists (select 1 from public.meetings m where m.id = meeting_id and m.user_id = (select auth.uid())))
  with check (exists (select 1 from public.meetings m where m.id = meeting_id and m.user_id = (select auth.uid())));

-- A profile is its owner's, but not its role or address: those are for whoever signs people in.
grant select, update (full_name, avatar_url, timezone, locale, settings) on public.users to authenticated;
drop policy if exists users_self_select on public.users;
create policy users_self_select on public.users
  for select to authenticated using (id = (select auth.uid()));
drop policy if exists users_self_update on public.users;
create policy users_self_update on public.users
  for update to authenticated using (id = (select auth.uid())) with check (id = (select auth.uid()));

-- A user sees that an account is connected and may cut it off. The tokens, encrypted as they
-- are, are for the service alone.
grant select (id, user_id, google_account_id, google_email, scopes, token_type, expires_at,
    last_refreshed_at, revoked_at, created_at, updated_at),
  delete
  on public.google_oauth_tokens to authenticated;
drop policy if exists google_oauth_tokens_owner_select on public.google_oauth_tokens;
create policy google_oauth_tokens_owner_select on public.google_oauth_tokens
  for select to authenticated using (user_id = (select auth.uid()));
drop policy if exists google_oauth_tokens_owner_delete on public.google_oauth_tokens;
create policy google_oauth_tokens_owner_delete on public.google_oauth_tokens
  for delete to authenticated using (user_id = (select auth.uid()));
