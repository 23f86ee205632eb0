-- pgherald: set=core
--
-- What the daemon's store calls. Both functions are for the daemon's own role only.

-- Takes up a slot: where to go on, and with which rules. The first time, the rules are those of
-- this moment; later they are those of the checkpoint.
create or replace function pgherald.attach(slot text, out commit_lsn pg_lsn, out end_lsn pg_lsn)
language plpgsql
set search_path = ''
as $$
begin
  insert into pgherald.checkpoints (slot_name, commit_lsn, end_lsn)
  values (slot, '0/0', '0/0')
  on conflict (slot_name) do nothing;

  if found then
    delete from pgherald.rules r where r.slot_name = slot;
    insert into pgherald.rules (slot_name, kind, id, row)
    select slot, 'webhook', w.id::text, pg_catalog.to_jsonb(w) - 'secret' from public.webhooks w
    union all
    select slot, 'notification_rule', n.id::text, pg_catalog.to_jsonb(n)
    from public.notification_rules n
    union all
    select slot, 'audit_policy', p.table_name, pg_catalog.to_jsonb(p)
    from pgherald.audit_policies p;
  end if;

  select c.commit_lsn, c.end_lsn into commit_lsn, end_lsn
  from pgherald.checkpoints c
  where c.slot_name = slot;
end
$$;
revoke all on function pgherald.attach(text) from public;

-- Follows the rules' changes, in their order: {"kind", "id", "row"}; no row is a deletion, no id
-- is all of a kind.
create or replace function pgherald.save_rules(slot text, changes jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
  change jsonb;
begin
  for change in
    select c.value from pg_catalog.jsonb_array_elements(changes) with ordinality c order by c.ordinality
  loop
    if change -> 'row' <> 'null' then
      insert into pgherald.rules (slot_name, kind, id, row)
      values (slot, change ->> 'kind', change ->> 'id', change -> 'row')
      on conflict (slot_name, kind, id) do update set row = excluded.row;
    else
      delete from pgherald.rules r
      where r.slot_name = slot
        and r.kind = change ->> 'kind'
        and (change ->> 'id' is null or r.id = change ->> 'id');
    end if;
  end loop;
end
$$;
revoke all on function pgherald.save_rules(text, jsonb) from public;
