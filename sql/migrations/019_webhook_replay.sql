-- pgherald: set=core
--
-- What `pgherald webhooks retry` needs: a delivery that was given up begins anew with all attempts of
-- the schedule before it, and keeps those that were made.

alter table public.webhook_deliveries add column if not exists attempts_before int not null default 0;
comment on column public.webhook_deliveries.attempts_before
  is 'attempts that were made before it was retried by hand; `attempts` counts from then on';
do $$
begin
  if not exists (
    select 1 from pg_catalog.pg_constraint
    where conrelid = 'public.webhook_deliveries'::regclass
      and conname = 'webhook_deliveries_attempts_before_check'
  ) then
    alter table public.webhook_deliveries
      add constraint webhook_deliveries_attempts_before_check check (attempts_before >= 0);
  end if;
end
$$;
