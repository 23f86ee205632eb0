-- pgherald: set=core
--
-- Which change notifies whom. The daemon reads these rows at its start and then follows
-- them in the stream: a rule holds from the commit that made it.

create table if not exists public.notification_rules (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  table_name text not null,
  events text[] not null default '{insert,update,delete}',
  condition text,
  recipient text not null,
  type text,
  priority text not null default 'medium',
  title text not null,
  message text,
  data jsonb,
  expires_in interval,
  dedupe_key text,
  is_active boolean not null default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint notification_rules_name_key unique (name),
  constraint notification_rules_name_check check (name <> ''),
  constraint notification_rules_table_name_check check (table_name <> ''),
  constraint notification_rules_events_check
    check (cardinality(events) > 0 and events <@ array['insert', 'update', 'delete']),
  constraint notification_rules_recipient_check check (recipient <> ''),
  constraint notification_rules_priority_check check (priority in ('low', 'medium', 'high', 'urgent')),
  constraint notification_rules_title_check check (title <> ''),
  constraint notification_rules_expires_in_check check (expires_in > interval '0')
);
comment on table public.notification_rules is 'pgherald: which change notifies whom';
comment on column public.notification_rules.table_name is 'memories, or schema.table outside public';
comment on column public.notification_rules.condition is 'a predicate on the row, such as status=eq.failed,progress=lt.50';
comment on column public.notification_rules.recipient is 'the column that holds the id of the user to notify';
comment on column public.notification_rules.title is 'a template: {{new.title}}; so are message, data and dedupe_key';
alter table public.notification_rules replica identity full;
create or replace trigger set_updated_at before update on public.notification_rules
  for each row execute function pgherald.set_updated_at();

-- A rule reads any row of its table and writes to anyone's inbox: operators only.
alter table public.notification_rules enable row level security;
revoke all on public.notification_rules from public, anon, authenticated, service_role;
grant select, insert, update, delete on public.notification_rules to service_role;
