/* Every number that /metrics and `pgherald status` show. Each may be read by any thread, and is
 * written by one, or added to by several: relaxed atomics, no lock. The list is the only place
 * where a metric is named. */
#ifndef PGHERALD_BASE_STATS_H
#define PGHERALD_BASE_STATS_H

#include <stdatomic.h>
#include <stdint.h>

/* X(field, Prometheus type, help). The exported name is pgherald_<field>, counters end in _total.
 */
#define STATS_LIST(X)                                                                              \
    X(roles, gauge, "What this process does: 1 pipeline, 2 dispatch, 4 jobs, added up")            \
    X(stream_up, gauge, "1 while WAL is being received")                                           \
    X(store_up, gauge, "1 while the store's connection is usable")                                 \
    X(dispatch_up, gauge, "1 while the dispatcher's connection is usable")                         \
    X(realtime_loops, gauge, "Realtime loops, which share the port")                               \
    X(realtime_up, gauge, "Realtime loops whose database connection is usable")                    \
    X(received_lsn, gauge, "Last WAL position received, as an integer")                            \
    X(server_lsn, gauge, "WAL end that the server last told, as an integer")                       \
    X(stored_lsn, gauge, "End of the last transaction whose effects are durable, as an integer")   \
    X(stored_commit_time_us, gauge, "Commit time of that transaction, microseconds since 1970")    \
    X(stream_lag_us, gauge, "Age of the newest stored transaction when it was stored")             \
    X(slot_level, gauge, "The slot: 0 fine, 1 warning, 2 critical, 3 to be dropped, 4 lost")       \
    X(slot_retained_bytes, gauge, "WAL that the server keeps for the slot")                        \
    X(changes_total, counter, "Row changes decoded")                                               \
    X(transactions_total, counter, "Source transactions decoded")                                  \
    X(transactions_skipped_total, counter, "Transactions that the checkpoint already covered")     \
    X(stuck_lsn, gauge, "Commit LSN of a transaction that the server cannot send, else 0")         \
    X(decode_errors_total, counter, "Messages of the stream that could not be read")               \
    X(batches_total, counter, "Store transactions committed")                                      \
    X(batches_failed_total, counter, "Store transactions that failed and were done again")         \
    X(audit_rows_total, counter, "Audit entries made durable")                                     \
    X(contexts_forged_total, counter, "Messages saying who is at work, without a valid signature") \
    X(notifications_total, counter, "Notifications handed to the database")                        \
    X(notifications_refused_total, counter, "Notifications that their table did not take")         \
    X(deliveries_total, counter, "Webhook deliveries put in the outbox")                           \
    X(rules_rejected_total, counter, "Webhooks, rules or policies that could not be understood")   \
    X(rule_misses_total, counter, "Notifications not made since the recipient is no user id")      \
    X(backpressure_total, counter, "Times the reading of WAL was paused for a slow store")         \
    X(reconnects_total, counter, "Times the pipeline had to connect anew")                         \
    X(streaming, gauge, "1 while transactions in progress are streamed")                           \
    X(streamed_in_progress, gauge, "Transactions in progress that are kept")                       \
    X(spool_bytes, gauge, "Bytes kept of transactions in progress, in memory and in files")        \
    X(spooled_bytes_total, counter, "Bytes of transactions in progress that were kept")            \
    X(streamed_transactions_total, counter, "Transactions that were kept and have committed")      \
    X(streamed_aborts_total, counter,                                                              \
      "Transactions and subtransactions that were kept and were rolled back")                      \
    X(spool_failures_total, counter,                                                               \
      "Times a transaction could not be kept; streaming is off from then on")                      \
    X(realtime_gaps_total, counter, "Times rows were left out since the realtime queue was full")  \
    X(messages_rejected_total, counter, "Rows of realtime.messages that could not be sent")        \
    X(clients, gauge, "WebSocket connections")                                                     \
    X(channels, gauge, "Joined channels")                                                          \
    X(bindings, gauge, "postgres_changes subscriptions")                                           \
    X(frames_sent_total, counter, "WebSocket frames sent")                                         \
    X(bytes_sent_total, counter, "Bytes in them")                                                  \
    X(frames_received_total, counter, "WebSocket frames received")                                 \
    X(frames_malformed_total, counter, "Received frames that could not be read")                   \
    X(frames_too_large_total, counter, "Received frames beyond realtime_max_frame")                \
    X(joins_total, counter, "Channels joined")                                                     \
    X(joins_refused_total, counter, "Joins refused")                                               \
    X(joins_limited_total, counter, "Joins beyond realtime_max_joins_per_second")                  \
    X(joins_full_total, counter, "Joins beyond realtime_max_clients")                              \
    X(channels_limited_total, counter, "Joins beyond realtime_max_channels of a connection")       \
    X(messages_limited_total, counter, "Messages beyond realtime_max_messages_per_second")         \
    X(rooms, gauge, "Topics with a joined channel, counted in each realtime loop")                 \
    X(broadcasts_total, counter, "Messages broadcast to a topic that somebody had joined")         \
    X(broadcasts_refused_total, counter, "Broadcasts of clients refused (right, size, form)")      \
    X(broadcasts_unfit_total, counter, "Binary broadcasts not sent to clients of protocol 1.0.0")  \
    X(presences, gauge, "Presences tracked")                                                       \
    X(presence_bytes, gauge, "Bytes that they take")                                               \
    X(presence_diffs_total, counter, "Changes of presence told to a topic")                        \
    X(presence_refused_total, counter, "Presences refused (right, size, form, too many)")          \
    X(presence_limited_total, counter, "Presence beyond realtime_max_presence_per_second")         \
    X(relayed_total, counter, "Messages and presences passed from a realtime loop to another")     \
    X(relay_gaps_total, counter, "Times a realtime loop could not take what another passed on")    \
    X(clients_refused_total, counter, "Connections refused (token, limit)")                        \
    X(clients_foreign_total, counter, "Connections refused since their origin is not allowed")     \
    X(certificate_expires, gauge, "End of the TLS certificate, seconds since 1970; 0 without TLS") \
    X(clients_slow_total, counter, "Connections closed since they did not read")                   \
    X(clients_idle_total, counter, "Connections closed since nothing came, or no join")            \
    X(api_keys, gauge, "API keys that work and are known")                                         \
    X(api_keys_over, gauge, "API keys left out since there are more than api_keys_max")            \
    X(api_key_requests_total, counter, "Requests made with an API key")                            \
    X(api_key_unknown_total, counter, "API keys refused: unknown, expired or revoked")             \
    X(api_key_out_of_scope_total, counter, "Uses of an API key refused for a missing scope")       \
    X(api_key_limited_total, counter, "Requests refused since the API key's rate was used up")     \
    X(api_key_usage_rows_total, counter, "Counts of API key usage written to the database")        \
    X(api_key_usage_lost_total, counter, "Requests by API key that could not be counted")          \
    X(tokens_checked_total, counter, "Tokens whose signature was checked")                         \
    X(tokens_cached_total, counter, "Tokens found among those checked before")                     \
    X(jwks_keys, gauge, "Keys of the file and of the URL that tokens are checked with")            \
    X(jwks_read_total, counter, "Times a key set was read or fetched")                             \
    X(jwks_failed_total, counter, "Times a key set could not be read, so that the old one stays")  \
    X(jwks_dropped_total, counter,                                                                 \
      "Channels and connections ended as the key of their token went")                             \
    X(jwks_read_time_us, gauge, "When jwt_jwks_url was last fetched, microseconds since 1970")     \
    X(authorizations_total, counter, "Questions put to the database about private topics")         \
    X(rls_questions_total, counter, "Questions put to the database about who may read a row")      \
    X(rls_checks_total, counter,                                                                   \
      "Questions put to the database whether policies are as they were")                           \
    X(rls_hidden_total, counter, "Messages not sent since the row may not be read")                \
    X(rls_errors_total, counter, "Policies that failed with an error")                             \
    X(attempts_total, counter, "Webhook requests made")                                            \
    X(attempts_failed_total, counter, "Webhook requests that failed")                              \
    X(delivered_total, counter, "Deliveries that succeeded")                                       \
    X(exhausted_total, counter, "Deliveries given up")                                             \
    X(attempts_blocked_total, counter, "Requests refused by the guard against private addresses")  \
    X(inflight, gauge, "Webhook requests under way")                                               \
    X(breakers_open, gauge, "Webhooks whose breaker is not closed, in the whole database")         \
    X(breakers_opened_total, counter, "Times the breaker of a webhook opened")                     \
    X(webhooks_disabled_total, counter, "Webhooks switched off after failures or 410 Gone")        \
    X(jobs_up, gauge, "1 while the jobs loop's connection is usable")                              \
    X(jobs_running, gauge, "1 while a step of a maintenance job is under way")                     \
    X(jobs_completed_total, counter, "Runs of maintenance jobs completed")                         \
    X(jobs_attempts_failed_total, counter, "Attempts of maintenance jobs that failed")             \
    X(jobs_failed_total, counter, "Runs of maintenance jobs given up")                             \
    X(jobs_lost_total, counter, "Runs taken over since their runner was gone")                     \
    X(jobs_last_failure_time_us, gauge, "When a run was given up last, microseconds since 1970")   \
    X(queue_realtime_depth, gauge, "Events waiting for the realtime loop")                         \
    X(queue_realtime_bytes, gauge, "Bytes of events waiting for the realtime loop")

struct stats {
#define STATS_FIELD(field, type, help) _Atomic uint64_t field;
    STATS_LIST(STATS_FIELD)
#undef STATS_FIELD
};

static inline void stat_add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static inline void stat_sub(_Atomic uint64_t *gauge, uint64_t n)
{
    atomic_fetch_sub_explicit(gauge, n, memory_order_relaxed);
}

/* The same, and what it was before. */
static inline uint64_t stat_fetch_add(_Atomic uint64_t *gauge, uint64_t n)
{
    return atomic_fetch_add_explicit(gauge, n, memory_order_relaxed);
}

/* Makes `value` what this thread contributes to a gauge that is the sum of several threads';
 * *part is what it contributes now, 0 at first. */
static inline void stat_set_part(_Atomic uint64_t *gauge, uint64_t *part, uint64_t value)
{
    stat_add(gauge, value - *part); /* may wrap: the sum comes out right */
    *part = value;
}

static inline void stat_set(_Atomic uint64_t *gauge, uint64_t value)
{
    atomic_store_explicit(gauge, value, memory_order_relaxed);
}

static inline uint64_t stat_get(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

#endif
