#!/bin/bash
# What must hold when two sessions do the same thing at the same time.
set -uo pipefail
cd "$(dirname "$0")/../.."
. tests/sql/lib.sh

export PGOPTIONS='-c statement_timeout=20s'  # a wait without end is a failure
db=${run}_together
create_database $db
migrate $db off
ann=aaaaaaaa-0000-4000-8000-000000000001

# Begins a transaction, does something, and ends it when told: the first of two sessions.
first() { # statement end
  coproc FIRST { sql $db; }
  echo "begin; $1; select 'done';" >&"${FIRST[1]}"
  first_answer=
  while read -r line <&"${FIRST[0]}" && [ "$line" != done ]; do first_answer=$line; done
}
first_ends() { # commit|rollback: and then the second can
  echo "$1; \\q" >&"${FIRST[1]}"
  wait "$FIRST_PID"
}
# The second one starts meanwhile; waits until it is blocked, or says that it was not.
second() { # statement
  sql $db -c "set application_name = 'second'; $1" >/tmp/$run.second 2>&1 & second_pid=$!
  for i in $(seq 50); do
    [ "$(sql $db -c "select count(*) from pg_stat_activity where application_name = 'second' and wait_event_type = 'Lock'")" = 1 ] && return
    kill -0 $second_pid 2>/dev/null || return
    sleep 0.1
  done
}
second_ends() { wait $second_pid; second_answer=$(tail -1 /tmp/$run.second); }

# ---------------------------------------------------------------- unread count

sql $db -c "insert into public.notifications (id, user_id, title) select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, '$ann', 'n' from generate_series(1, 300) n"
id=00000000-0000-4000-8000-000000000001
first "select public.mark_notification_read('$id')"
second "select public.mark_notification_read('$id')"
same "until the first commits, others count it as unread" "$(sql $db -c "select public.get_unread_notification_count('$ann')")" 300
first_ends commit; second_ends
same "the second to mark it waits and finds it read" "$second_answer" t
same "and it counts once" "$(sql $db -c "select public.get_unread_notification_count('$ann')")" 299
same "written once" "$(sql $db -c "select count(*) from public.notifications where id = '$id' and read_at = (select read_at from public.notifications where id = '$id')")" 1

first "select public.mark_all_notifications_read('$ann')"
second "select public.mark_all_notifications_read('$ann')"
first_ends rollback; second_ends
same "when the first gives up, the second marks all" "$second_answer" 299
sql $db -c "update public.notifications set is_read = false"

# Writers of all kinds at once; then the count is what a look at the rows says.
for w in 1 2 3 4; do
  for i in $(seq $w 4 120); do echo "select public.mark_notification_read('00000000-0000-4000-8000-$(printf %012d "$i")');"; done | sql $db >/dev/null &
  for i in $(seq 1 40); do echo "insert into public.notifications (user_id, title, dedupe_key) values ('$ann', 'x', 'k$i') on conflict do nothing;"; done | sql $db >/dev/null &
  for i in $(seq 100 160); do echo "select public.archive_notification('00000000-0000-4000-8000-$(printf %012d "$i")');"; done | sql $db >/dev/null &
done
wait
same "the count is right after twelve writers" "$(sql $db -c "select public.get_unread_notification_count('$ann')")" $((300 - 160 + 40))

# ---------------------------------------------------------------- dedupe

first "select public.create_notification('$ann', 'a', p_dedupe_key => 'together')"
second "select public.create_notification('$ann', 'b', p_dedupe_key => 'together')"
first_ends commit; second_ends
same "both get the one notification" "$second_answer" "$first_answer"
same "there is one" "$(sql $db -c "select count(*) from public.notifications where dedupe_key = 'together'")" 1
first "select public.create_notification('$ann', 'a', p_dedupe_key => 'given up')"
second "select public.create_notification('$ann', 'b', p_dedupe_key => 'given up')"
first_ends rollback; second_ends
same "when the first gives up, the second's is made" "$second_answer" "$(sql $db -c "select id from public.notifications where dedupe_key = 'given up'")"
same "with its own text" "$(sql $db -c "select title from public.notifications where dedupe_key = 'given up'")" b

# ---------------------------------------------------------------- partitions

first "select pgherald.ensure_audit_partitions(8)"
second "select pgherald.ensure_audit_partitions(9)"
first_ends commit; second_ends
same "two daemons that start together: the second makes what is left" "$second_answer" 1
for w in $(seq 6); do sql $db -c "select pgherald.ensure_audit_partitions(14)" & done >/tmp/$run.made 2>&1
wait
same "six at once make each partition once" "$(paste -sd+ /tmp/$run.made | bc 2>/dev/null || awk '{ s += $1 } END { print s }' /tmp/$run.made)" 5
same "one for each month" "$(sql $db -c "select count(*) from pg_inherits where inhparent = 'public.audit_logs'::regclass")" 16

first "insert into public.audit_logs (action, resource_type) values ('x', 'y')"
same "a writer of this month's entries does not hold it up" "$(sql $db -c "set statement_timeout = '2s'; select pgherald.ensure_audit_partitions(15)")" 1
first_ends commit
first "select count(*) from public.audit_logs"
same "a reader of the whole trail does, but not for long" "$(sql $db -c "select pgherald.ensure_audit_partitions(16)" 2>/dev/null)" 0
check "and entries are written meanwhile" sql $db -c "set lock_timeout = '1s'; insert into public.audit_logs (action, resource_type) values ('x', 'y')"
first_ends commit
same "the next time it is made" "$(sql $db -c "select pgherald.ensure_audit_partitions(16)")" 1
first "insert into public.audit_logs (occurred_at, action, resource_type) values (now() + interval '17 months', 'late', 'y')"
second "select pgherald.ensure_audit_partitions(17)"
first_ends commit; second_ends
same "with entries on their way into the default partition" "$second_answer" 1
same "none is left behind" "$(sql $db -c "select count(*) from pgherald_audit.audit_logs_default")" 0
same "or lost" "$(sql $db -c "select count(*) from public.audit_logs where action = 'late'")" 1

# ---------------------------------------------------------------- webhooks in the order of a row

hook=00000000-0000-4000-8000-0000000000aa
claim="prepare c(int, bigint, int, uuid[], int[], int) as
$(cat sql/queries/dispatch_claim.sql)
; execute c(10, 1000000, 10, '{}', '{}', 10000)"
record() { # message id: it was delivered
  local results
  results=$(sql $db -c "select coalesce(json_agg(json_build_object('id', id, 'attempt', attempts + 1, 'status', 'delivered', 'age_ms', 1, 'duration_ms', 1)), '[]')
    from public.webhook_deliveries where message_id = '$1'")
  echo "prepare r(json, bigint) as
$(cat sql/queries/dispatch_record.sql)
; execute r('$results', 1000000)"
}
deliver() { sql $db -c "insert into public.webhook_deliveries (webhook_id, message_id, event_type, payload, row_key) values ('$hook', '$1', 'x', '{}', 'public.t:1')"; }
state() { sql $db -c "select case when next_attempt_at = 'infinity' then 'aside' when next_attempt_at > now() then 'leased' else 'due' end from public.webhook_deliveries where message_id = '$1'"; }
sql $db -c "insert into public.webhooks (id, name, url, events, ordering) values ('$hook', 'w', 'http://a', '{*}', 'key')"

deliver m1
sql $db -c "$claim" >/dev/null
deliver m2
first "select from public.webhook_deliveries where message_id = 'm1' for no key update"
second "$(record m1)"
echo "$claim; select 'done';" >&"${FIRST[1]}"
while read -r line <&"${FIRST[0]}" && [ "$line" != done ]; do :; done
first_ends commit; second_ends
same "what is set aside while the one before waits to be recorded, and came after that had begun, is let go" "$(state m2)" due

sql $db -c "$claim" >/dev/null
deliver m3
first "$(record m2)"
second "$claim"
second_ends
same "a claim does not wait for what is being recorded" "$second_answer" ""
same "and sets nothing aside behind it" "$(state m3)" due
first_ends commit
sql $db -c "$claim" >/dev/null
same "the next claim takes it" "$(state m3)" leased

first "$(record m3)"
second "$(record m3)"
first_ends commit; second_ends
same "the second of two that record the same finds nothing to do" "$second_answer" ""
same "and it counts once" "$(sql $db -c "select count(*) from public.webhook_attempts")" 3

# Whoever deletes a webhook waits for nobody who records, so neither ends in a deadlock.
sql $db -c "delete from public.webhook_deliveries"
deliver d1; deliver d2
first "update public.webhook_deliveries set last_error = 'x' where message_id = 'd2'"
second "delete from public.webhooks where id = '$hook'"
second_ends
same "a webhook goes while its delivery is being recorded" "$second_answer" ""
same "with the deliveries that nobody works on" "$(sql $db -c "select string_agg(message_id, ',') from public.webhook_deliveries")" d2
echo "update public.webhook_deliveries set last_error = 'x' where message_id = 'd1';" >&"${FIRST[1]}"
first_ends commit
sql $db -f sql/queries/dispatch_sweep.sql
same "the sweep closes what was left" "$(sql $db -c "select status from public.webhook_deliveries")" failed
sql $db -c "delete from public.webhook_deliveries" -c "insert into public.webhooks (id, name, url, events, ordering) values ('$hook', 'w', 'http://a', '{*}', 'key')"

# Two dispatchers that claim and record as fast as they can, and a pipeline that writes.
for w in 1 2; do
  for i in $(seq 40); do
    sql $db -c "$claim" 2>&1 | cut -d'|' -f3 | while read -r id; do [ -z "$id" ] || { echo "$w begins $id" ; sql $db -c "$(record "$id")" >/dev/null 2>&1; }; done
  done >/tmp/$run.work$w &
done
for i in $(seq 20); do deliver "n$i"; done
wait
same "two dispatchers leave nothing behind" "$(sql $db -c "select count(*) from public.webhook_deliveries where status = 'pending'")" 0
same "and made each once" "$(cat /tmp/$run.work1 /tmp/$run.work2 | sed 's/.* //' | sort | uniq -d | wc -l)" 0
rm -f /tmp/$run.work1 /tmp/$run.work2

# ---------------------------------------------------------------- jobs and keys

sql $db -c "select count(public.enqueue_job('t')) from generate_series(1, 200)" >/dev/null
for w in $(seq 6); do
  for i in $(seq 40); do echo "select id from public.claim_job('default', 'w$w');"; done | sql $db & done >/tmp/$run.claimed 2>&1
wait
same "six workers, 200 jobs: each is claimed once" "$(sort -u /tmp/$run.claimed | wc -l) $(wc -l </tmp/$run.claimed) $(sql $db -c "select count(*) from public.job_logs where attempts = 1 and status = 'running'")" "200 200 200"

# ---------------------------------------------------------------- maintenance

sql $db -c "update pgherald.jobs set is_enabled = name = 'old_job_logs', run_at = null, created_at = now() - interval '1 hour'"
first "select pgherald.enqueue_due_jobs()"
second "select pgherald.enqueue_due_jobs()"
first_ends commit; second_ends
same "two daemons find a job due: the first makes its run" "$first_answer" 1
same "the second does not" "$second_answer" 0
run_id=$(sql $db -c "select id from public.job_logs where queue = 'pgherald'")

first "select run_id from pgherald.begin_run('first')"
same "one session takes up a run" "$first_answer" "$run_id"
same "no other gets it" "$(sql $db -c "select count(*) from pgherald.begin_run('second')")" 0
same "also by name" "$(sql $db -c "select count(*) from pgherald.begin_run('second', 'old_job_logs')")" 0
same "nor is there another run of it" "$(sql $db -c "select pgherald.enqueue_run('old_job_logs')")" "$run_id"
first_ends commit  # and the session with it, in the middle of the run
same "when it dies, the next one goes on" \
  "$(sql $db -c "select run_id, attempt, lost_by from pgherald.begin_run('second')")" "$run_id|2|first"
same "and the one after that has the last attempt" \
  "$(sql $db -c "select is_running, attempt from pgherald.begin_run('third')")" "t|3"
first "select is_running from pgherald.begin_run('fourth')"
same "then it has failed" "$first_answer" f
first_ends rollback
same "who notes that and dies too has no lock left" "$(sql $db -c "select is_running, lost_by from pgherald.begin_run('fifth')")" "f|third"
same "the end is on record" "$(sql $db -c "select status, error from public.job_logs where id = '$run_id'")" \
  "failed|third was working on it and is gone"

key=$(sql $db -c "select id from public.create_api_key('k')")
first "select id from public.rotate_api_key('$key')"
second "select id from public.rotate_api_key('$key')"
first_ends commit; second_ends
check "a key is rotated once" grep -q 'no key .* that is yours and works' /tmp/$run.second
same "there is one successor" "$(sql $db -c "select count(*) from public.api_keys where rotated_from = '$key'")" 1

for w in $(seq 6); do
  for i in $(seq 25); do echo "select public.log_api_key_usage('$key', 2);"; done | sql $db >/dev/null &
done
wait
same "usage adds up" "$(sql $db -c "select usage_count, (select sum(requests) from public.api_key_usage where api_key_id = '$key') from public.api_keys where id = '$key'")" "300|300"

# Daemons that write their counts at once, each in an order of its own, and somebody who counts by himself.
keys=$(sql $db -c "select string_agg((select id::text from public.create_api_key('k' || n)), ' ') from generate_series(1, 5) n")
for w in $(seq 6); do
  for i in $(seq 20); do
    echo "select pgherald.flush_api_key_usage((select jsonb_agg(jsonb_build_object('id', id, 'requests', 1, 'errors', 0, 'used_at', now()) order by random()) from unnest(string_to_array('$keys', ' ')) id));"
    echo "select public.log_api_key_usage(id::uuid) from unnest(string_to_array('$keys', ' ')) id order by random() limit 1;"
  done | sql $db >/dev/null 2>>/tmp/$run.flushes &
done
wait
same "no flush fails" "$(cat /tmp/$run.flushes)" ""
same "and all adds up" "$(sql $db -c "select sum(usage_count), (select sum(requests) from public.api_key_usage where api_key_id::text = any (string_to_array('$keys', ' '))) from public.api_keys where id::text = any (string_to_array('$keys', ' '))")" "720|720"

# ---------------------------------------------------------------- what the daemon is told of API keys

# The payloads that a session which listens is sent for these statements, ids as their keys' names.
told() { # statement...
  local s
  {
    echo "listen pgherald_api_keys;"
    for s in "$@"; do echo "$s; select;"; done
  } | sql $db 2>&1 | sed -n 's/.*with payload "\([^"]*\)".*/\1/p' | sed "s/$key/key/; s/$other/other/; s/$third/third/" | sort | uniq | xargs
}
key=$(sql $db -c "select id from public.create_api_key('told')"); other=00000000-0000-4000-8000-00000000000a third=00000000-0000-4000-8000-00000000000b
same "a new key" "$(told "insert into public.api_keys (id, name, key_hash, key_prefix) values ('$other', 'x', sha256('x'), 'x')")" other
same "its use is nothing" "$(told "select public.log_api_key_usage('$key', 3)" "select pgherald.flush_api_key_usage('[{\"id\": \"$key\", \"requests\": 1, \"errors\": 0, \"used_at\": \"2026-05-01T00:00:00Z\"}]')" "update public.api_keys set updated_at = now(), service = 'crm', last_used_at = now(), usage_count = usage_count + 1 where id = '$key'")" ""
for change in "name = 'new'" "scopes = '{realtime}'" "rate_limit_per_minute = 7" "expires_at = now() + interval '1 day'" "revoked_at = now()" "user_id = gen_random_uuid()" "key_hash = sha256('y')"; do
  same "a change of ${change%% *}" "$(told "update public.api_keys set $change where id = '$key'")" key
done
same "not once more the same" "$(told "update public.api_keys set name = 'new' where id = '$key'")" ""
same "what is rolled back is not told" "$(told "begin; update public.api_keys set name = 'newer'; rollback")" ""
same "another id is two" "$(told "update public.api_keys set id = '$third' where id = '$other'")" "other third"
same "a deletion" "$(told "delete from public.api_keys where id = '$third'")" third
same "all of them" "$(told "truncate public.api_keys cascade")" "*"

rm -f /tmp/$run.*
echo "1..$n"
exit $failed
