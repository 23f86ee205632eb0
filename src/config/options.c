#include "config/option.h"

#include "base/queue.h"

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define SECOND UINT64_C(1000)
#define HOUR (3600 * SECOND)

/* In the order of enum log_level and enum log_format. */
static const char *const log_levels[] = {"debug", "info", "warn", "error", NULL};
static const char *const log_formats[] = {"logfmt", "json", NULL};
/* In the order of enum config_plugin. */
static const char *const plugins[] = {"auto", "wal2json", "pgoutput", NULL};

#define TARGET(field) .target = offsetof(struct config, field)

const struct option options[] = {
    {.group = "Database",
     .name = "database_url",
     .kind = OPTION_SECRET,
     TARGET(database_url),
     .standard = "",
     .help =
         "Connection string of PostgreSQL, as URI or as key=value pairs, such as\n"
         "postgresql://pgherald@db.example.com/app. The role needs the attribute REPLICATION;\n"
         "`pgherald doctor` tells what else. Replication cannot pass through a pooler: name the\n"
         "server itself."},
    {.name = "slot_name",
     .kind = OPTION_TEXT,
     TARGET(slot_name),
     .standard = "pgherald",
     .help = "The logical replication slot, 1 to 63 of a-z 0-9 _; `pgherald init` makes it. One "
             "daemon a\n"
             "slot."},
    {.name = "plugin",
     .kind = OPTION_WORD,
     TARGET(plugin),
     .standard = "auto",
     .words = plugins,
     .help =
         "The output plugin of the slot: wal2json, which has to be installed on the database's\n"
         "host and let in there, or pgoutput, which every server has. auto: that of the slot, "
         "and for\n"
         "a new one wal2json if the server takes it, else pgoutput."},
    {.name = "publication",
     .kind = OPTION_TEXT,
     TARGET(publication),
     .standard = "pgherald",
     .help = "The publication that lists the followed tables; `pgherald init` keeps it. pgoutput "
             "reads it,\n"
             "and a second one with _inserts behind the name."},
    {.name = "schemas",
     .kind = OPTION_LIST,
     TARGET(schemas),
     .standard = "public",
     .help = "The schemas whose tables are followed."},

    {.group = "Addresses",
     .name = "listen",
     .kind = OPTION_ADDRESS,
     TARGET(listen),
     .standard = "127.0.0.1:4000",
     .help =
         "Where browsers connect: WebSocket and the live page. Without tls_cert_file put TLS in "
         "front of it."},
    {.name = "tls_cert_file",
     .kind = OPTION_TEXT,
     TARGET(tls_cert_file),
     .standard = "",
     .help = "A PEM file with the certificate of `listen` and its chain; empty: no TLS. A renewed "
             "file is noticed at once."},
    {.name = "tls_key_file",
     .kind = OPTION_TEXT,
     TARGET(tls_key_file),
     .standard = "",
     .help = "The PEM file with its private key."},
    {.name = "allowed_origins",
     .kind = OPTION_LIST,
     TARGET(allowed_origins),
     .standard = "",
     .help = "Web pages that may connect, such as https://app.example.com,https://*.example.org; "
             "empty: all.\nPrograms that are no browser send no origin and are not asked for one."},
    {.name = "admin_listen",
     .kind = OPTION_ADDRESS,
     TARGET(admin_listen),
     .standard = "127.0.0.1:4001",
     .help = "Where /healthz, /readyz, /metrics and /status.json are. Unless admin_auth is on,\n"
             "nobody is asked who he is: keep it on loopback or in a private network."},
    {.name = "admin_auth",
     .kind = OPTION_BOOL,
     TARGET(admin_auth),
     .standard = "off",
     .help = "Whether /metrics and /status.json want a token of service_role, or an API key with\n"
             "the scope admin. /healthz and /readyz never do."},
    {.group = "Tokens",
     .name = "jwt_secret",
     .kind = OPTION_SECRET,
     TARGET(jwt_secret),
     .standard = "",
     .help = "The key of the HS256 tokens that clients bring, at least 32 bytes. Without it, and\n"
             "without a key set below, no client gets in."},
    {.name = "jwt_jwks_file",
     .kind = OPTION_TEXT,
     TARGET(jwt_jwks_file),
     .standard = "",
     .help =
         "A file with a JSON Web Key Set, for tokens signed with RS256, ES256, EdDSA and others.\n"
         "It is read again when it changes."},
    {.name = "jwt_jwks_url",
     .kind = OPTION_TEXT,
     TARGET(jwt_jwks_url),
     .standard = "",
     .help =
         "Where such a set is fetched, such as\n"
         "https://PROJECT.supabase.co/auth/v1/.well-known/jwks.json. Without TLS only from this\n"
         "host: http://127.0.0.1, http://[::1] or http://localhost."},
    {.name = "jwt_jwks_refresh",
     .kind = OPTION_DURATION,
     TARGET(jwt_jwks_refresh_ms),
     .standard = "10min",
     .min = 1 * SECOND,
     .max = 24 * HOUR,
     .help =
         "How often it is fetched, and how long a key that was taken out of it is still trusted.\n"
         "A token of a new key has it fetched at once."},
    {.name = "jwt_jwks_ca_file",
     .kind = OPTION_TEXT,
     TARGET(jwt_jwks_ca_file),
     .standard = "",
     .help =
         "A PEM file of certificate authorities to trust with jwt_jwks_url; empty: the system's."},
    {.name = "jwt_audience",
     .kind = OPTION_LIST,
     TARGET(jwt_audience),
     .standard = "",
     .help = "If set, the claim aud of a token must be, or hold, one of these."},
    {.name = "jwt_issuer",
     .kind = OPTION_LIST,
     TARGET(jwt_issuer),
     .standard = "",
     .help = "If set, the claim iss of a token must be one of these."},
    {.name = "jwt_leeway",
     .kind = OPTION_DURATION,
     TARGET(jwt_leeway_ms),
     .standard = "0",
     .min = 0,
     .max = 300 * SECOND,
     .help =
         "How far the clock of who issues tokens may be off: exp and nbf are taken so much wider,\n"
         "in whole seconds."},

    {.group = "API keys",
     .name = "api_keys_max",
     .kind = OPTION_NUMBER,
     TARGET(api_keys_max),
     .standard = "100000",
     .min = 1,
     .max = 10000000,
     .help = "API keys that are held in memory, about 400 bytes each. Of a table with more that\n"
             "work, the newest are not known and so refused."},
    {.name = "api_key_usage_flush",
     .kind = OPTION_DURATION,
     TARGET(api_key_usage_flush_ms),
     .standard = "10s",
     .min = 1 * SECOND,
     .max = 1 * HOUR,
     .help = "How often what API keys were used for is written down, in one statement."},

    {.group = "Process",
     .name = "run_as",
     .kind = OPTION_TEXT,
     TARGET(run_as),
     .standard = "",
     .help = "The user that `pgherald run` becomes if it is started as root. He has to be able to\n"
             "read the files that are named here; ports below 1024 are not for him."},

    {.group = "Log, on stderr",
     .name = "log_level",
     .kind = OPTION_WORD,
     TARGET(log_level),
     .standard = "info",
     .words = log_levels,
     .reloadable = true,
     .help = "Lines below this level are left out."},
    {.name = "log_format",
     .kind = OPTION_WORD,
     TARGET(log_format),
     .standard = "logfmt",
     .words = log_formats,
     .help = "One line an event: key=value pairs, or a JSON object."},

    {.group = "Audit trail",
     .name = "audit",
     .kind = OPTION_BOOL,
     TARGET(audit),
     .standard = "on",
     .help = "Whether changes are written to audit_logs at all. Tables and columns are chosen in\n"
             "pgherald.audit_policies."},
    {.name = "audit_redact",
     .kind = OPTION_LIST,
     TARGET(audit_redact),
     .standard = "token,*_token,*_token_encrypted,secret,*_secret,password,*password*,*_hash,"
                 "private_key,api_key,embedding,*_embedding",
     .help = "Columns whose values are not kept, only that they changed. A star is any text."},

    {.name = "audit_gateway_roles",
     .kind = OPTION_LIST,
     TARGET(audit_gateway_roles),
     .standard = "authenticator",
     .help =
         "The logins of gateways that check tokens, such as PostgREST: whom the claims of their\n"
         "sessions name is believed. Nobody else may know their passwords."},
    {.name = "audit_auth_events",
     .kind = OPTION_BOOL,
     TARGET(audit_auth_events),
     .standard = "on",
     .help = "Whether what Supabase's auth service notes in auth.audit_log_entries (logins,\n"
             "sign-ups) becomes entries. Without that table there is nothing to it."},

    {.name = "audit_export_dir",
     .kind = OPTION_TEXT,
     TARGET(audit_export_dir),
     .standard = "",
     .help =
         "The folder of this host into which the job audit_retention writes what it is to export\n"
         "before it is dropped; empty: such runs fail here."},

    {.group = "Pipeline",
     .name = "batch_max_changes",
     .kind = OPTION_NUMBER,
     TARGET(batch_max_changes),
     .standard = "10000",
     .min = 1,
     .max = 1000000,
     .help =
         "A batch of transactions is committed once it has so many changes. One transaction is\n"
         "never split."},
    {.name = "batch_max_wait",
     .kind = OPTION_DURATION,
     TARGET(batch_max_wait_ms),
     .standard = "20ms",
     .min = 0,
     .max = 60 * SECOND,
     .help = "Or once it is so old, while more comes. After a quiet moment of this length nothing "
             "waits: changes are stored at once."},
    {.name = "store_buffer",
     .kind = OPTION_SIZE,
     TARGET(store_buffer_bytes),
     .standard = "4M",
     .min = 64 * KIB,
     .max = 1 * GIB,
     .help = "Rows that wait for the database before the reading of WAL pauses."},
    {.name = "streaming",
     .kind = OPTION_BOOL,
     TARGET(streaming),
     .standard = "off",
     .help =
         "Whether a large transaction is received while it is still in progress, and kept here\n"
         "until it commits: the server need not write it to its own disk, and what comes after\n"
         "the commit is quicker. With pgoutput, from PostgreSQL 14 on."},
    {.name = "spool_directory",
     .kind = OPTION_TEXT,
     TARGET(spool_directory),
     .standard = "/var/tmp",
     .help = "The folder of this host for what is kept of them, in files without a name."},
    {.name = "spool_max",
     .kind = OPTION_SIZE,
     TARGET(spool_max_bytes),
     .standard = "16G",
     .min = 64 * KIB,
     .max = 1024 * 1024 * GIB,
     .help =
         "What all of them may take there. Beyond that, and if the disk is full, the daemon goes\n"
         "on without streaming until it is started again."},
    {.name = "feedback_interval",
     .kind = OPTION_DURATION,
     TARGET(feedback_interval_ms),
     .standard = "10s",
     .min = 100,
     .max = 10 * 60 * SECOND,
     .help = "How often the server is told what is safe. Keep it below stream_timeout."},
    {.name = "stream_timeout",
     .kind = OPTION_DURATION,
     TARGET(stream_timeout_ms),
     .standard = "30s",
     .min = 1 * SECOND,
     .max = 1 * HOUR,
     .help =
         "How long the server may be silent. It is asked for a sign of life after half of this;\n"
         "if none comes, the connection is taken for dead and made anew. The server gives us as\n"
         "long (wal_sender_timeout): so soon the slot is free when this process is gone unheard."},
    {.name = "slot_warning",
     .kind = OPTION_SIZE,
     TARGET(slot_warning_bytes),
     .standard = "1G",
     .min = 0,
     .max = 1024 * 1024 * GIB,
     .help =
         "WAL that the server keeps for the slot before the log and the metrics warn; 0 is never."},
    {.name = "slot_critical",
     .kind = OPTION_SIZE,
     TARGET(slot_critical_bytes),
     .standard = "8G",
     .min = 0,
     .max = 1024 * 1024 * GIB,
     .help = "The same, before `pgherald status` and the log call it critical; 0 is never."},
    {.name = "slot_drop_beyond",
     .kind = OPTION_SIZE,
     TARGET(slot_drop_beyond_bytes),
     .standard = "0",
     .min = 0,
     .max = 1024 * 1024 * GIB,
     .help =
         "The last resort: beyond this the daemon drops the slot, so that the database's disk "
         "does\n"
         "not fill, and the database stops. What was not read by then is lost to pgherald, and "
         "the\n"
         "trail says so. 0 is never. The server's own max_slot_wal_keep_size does the same, also\n"
         "while no daemon runs."},
    {.name = "shutdown_timeout",
     .kind = OPTION_DURATION,
     TARGET(shutdown_timeout_ms),
     .standard = "10s",
     .min = 0,
     .max = 1 * HOUR,
     .help =
         "How long a stop waits for what is under way. What is not done by then is done at the\n"
         "next start."},

    {.group = "Realtime",
     .name = "realtime_queue",
     .kind = OPTION_SIZE,
     TARGET(realtime_queue_bytes),
     .standard = "64M",
     .min = 64 * KIB,
     .max = 16 * GIB,
     .help =
         "Rows that wait to be sent to browsers, for each of realtime_threads, and as much again\n"
         "of what these pass to each other. Beyond that rows are left out, and every client is\n"
         "made to rejoin so that it knows."},
    {.name = "realtime_threads",
     .kind = OPTION_NUMBER,
     TARGET(realtime_threads),
     .standard = "1",
     .min = 1,
     .max = QUEUES_MAX,
     .help =
         "Loops that share the WebSocket port, each with a thread and four connections to the\n"
         "database. Each looks at every row, so more than one is for machines where the one is\n"
         "fully busy: at most one less than there are cores, so that the pipeline has its own."},
    {.name = "realtime_max_clients",
     .kind = OPTION_NUMBER,
     TARGET(realtime_max_clients),
     .standard = "10000",
     .min = 1,
     .max = 1000000,
     .help = "WebSocket connections."},
    {.name = "realtime_max_channels",
     .kind = OPTION_NUMBER,
     TARGET(realtime_max_channels),
     .standard = "100",
     .min = 1,
     .max = 10000,
     .help = "Joined channels of one connection."},
    {.name = "realtime_max_joins_per_second",
     .kind = OPTION_NUMBER,
     TARGET(realtime_max_joins_per_second),
     .standard = "100",
     .min = 1,
     .max = 1000000,
     .help =
         "Joins of one connection, and as many at once. After a reconnect a client joins all its\n"
         "channels at once: keep it at realtime_max_channels or above."},
    {.name = "realtime_max_messages_per_second",
     .kind = OPTION_NUMBER,
     TARGET(realtime_max_messages_per_second),
     .standard = "500",
     .min = 1,
     .max = 1000000,
     .help = "Messages of one connection, and as many at once. A channel in which it sends more is "
             "closed."},
    {.name = "realtime_max_presence_per_second",
     .kind = OPTION_NUMBER,
     TARGET(realtime_max_presence_per_second),
     .standard = "20",
     .min = 1,
     .max = 1000000,
     .help = "Calls of track and untrack of one connection, and as many at once. A channel in "
             "which it\n"
             "makes more is closed."},
    {.name = "realtime_max_presences",
     .kind = OPTION_NUMBER,
     TARGET(realtime_max_presences),
     .standard = "10000",
     .min = 1,
     .max = 1000000,
     .help = "Presences in one topic; one more is refused."},
    {.name = "realtime_presence_memory",
     .kind = OPTION_SIZE,
     TARGET(realtime_presence_memory_bytes),
     .standard = "256M",
     .min = 64 * KIB,
     .max = 64 * GIB,
     .help = "What all presences may take; one more is refused."},
    {.name = "realtime_max_payload",
     .kind = OPTION_SIZE,
     TARGET(realtime_max_payload_bytes),
     .standard = "3000000",
     .min = 1 * KIB,
     .max = 256 * MIB,
     .help = "The largest payload of a broadcast or of a presence."},
    {.name = "realtime_private_only",
     .kind = OPTION_BOOL,
     TARGET(realtime_private_only),
     .standard = "off",
     .help = "Whether public channels are refused."},
    {.name = "realtime_client_buffer",
     .kind = OPTION_SIZE,
     TARGET(realtime_client_buffer_bytes),
     .standard = "8M",
     .min = 16 * KIB,
     .max = 1 * GIB,
     .help = "What may wait for one client that reads slowly before it is disconnected. Messages "
             "are shared by all clients that get them, so this is a burst's size, not memory a "
             "client."},
    {.name = "realtime_max_frame",
     .kind = OPTION_SIZE,
     TARGET(realtime_max_frame_bytes),
     .standard = "5000000",
     .min = 1 * KIB,
     .max = 256 * MIB,
     .help = "The largest frame that is taken from a client."},
    {.name = "realtime_idle_timeout",
     .kind = OPTION_DURATION,
     TARGET(realtime_idle_timeout_ms),
     .standard = "60s",
     .min = 1 * SECOND,
     .max = 24 * HOUR,
     .help =
         "A connection of which nothing is heard for so long is closed. After half of it a ping\n"
         "is sent, which browsers answer by themselves; clients send a heartbeat every 25s."},

    {.group = "Webhooks",
     .name = "webhook_allow_private",
     .kind = OPTION_BOOL,
     TARGET(webhook_allow_private),
     .standard = "off",
     .help =
         "Whether webhooks may call private, loopback and link-local addresses. On, whoever may\n"
         "write a webhook reaches what this host reaches."},
    {.name = "webhook_allow",
     .kind = OPTION_LIST,
     TARGET(webhook_allow),
     .standard = "",
     .help =
         "What webhooks may call though it is not public: addresses, networks (10.1.0.0/16) and\n"
         "hosts (*.internal.example), whatever the address of those is."},
    {.name = "webhook_only",
     .kind = OPTION_LIST,
     TARGET(webhook_only),
     .standard = "",
     .help = "Webhooks call nothing but these addresses, networks and hosts; empty: whatever is\n"
             "public. What is private has to be in webhook_allow too."},
    {.name = "webhook_concurrency",
     .kind = OPTION_NUMBER,
     TARGET(webhook_concurrency),
     .standard = "64",
     .min = 1,
     .max = 10000,
     .help = "Requests under way at once, in all."},
    {.name = "webhook_endpoint_concurrency",
     .kind = OPTION_NUMBER,
     TARGET(webhook_endpoint_concurrency),
     .standard = "8",
     .min = 1,
     .max = 1000,
     .help = "Requests under way at once to one webhook, so that a slow one delays no other."},
    {.name = "webhook_response",
     .kind = OPTION_SIZE,
     TARGET(webhook_response_bytes),
     .standard = "20000",
     .min = 0,
     .max = 1 * MIB,
     .help = "How much of an answer is kept with the attempt."},
    {.name = "webhook_breaker_percent",
     .kind = OPTION_NUMBER,
     TARGET(webhook_breaker_percent),
     .standard = "70",
     .min = 0,
     .max = 100,
     .help = "The breaker: a webhook of whose attempts so many percent fail is left alone for a "
             "while,\nand then tried with a single delivery; 0: none is."},
    {.name = "webhook_breaker_attempts",
     .kind = OPTION_NUMBER,
     TARGET(webhook_breaker_attempts),
     .standard = "10",
     .min = 1,
     .max = 1000000,
     .help = "How many attempts there must be before that is judged."},
    {.name = "webhook_breaker_window",
     .kind = OPTION_DURATION,
     TARGET(webhook_breaker_window_ms),
     .standard = "5min",
     .min = 1 * SECOND,
     .max = 24 * HOUR,
     .help = "The time within which attempts and failures are counted."},
    {.name = "webhook_breaker_pause",
     .kind = OPTION_DURATION,
     TARGET(webhook_breaker_pause_ms),
     .standard = "30s",
     .min = 100,
     .max = 24 * HOUR,
     .help = "How long it is left alone. Each time that the single delivery fails doubles it."},
    {.name = "webhook_breaker_pause_max",
     .kind = OPTION_DURATION,
     TARGET(webhook_breaker_pause_max_ms),
     .standard = "10min",
     .min = 100,
     .max = 24 * HOUR,
     .help = "But it is never longer than this."},
    {.name = "webhook_disable_after",
     .kind = OPTION_DURATION,
     TARGET(webhook_disable_after_ms),
     .standard = "120h",
     .min = 1 * SECOND,
     .max = 1000 * HOUR,
     .help = "A webhook that has answered with nothing but failures for so long is switched off, "
             "and\nits owner notified. What happens until it is switched on again waits for it."},
    {.name = "webhook_ca_file",
     .kind = OPTION_TEXT,
     TARGET(webhook_ca_file),
     .standard = "",
     .help = "A PEM file of certificate authorities to trust; empty: the system's."},
    {.name = "webhook_client_cert_file",
     .kind = OPTION_TEXT,
     TARGET(webhook_client_cert_file),
     .standard = "",
     .help = "A PEM file with the certificate that is shown to receivers that ask for one."},
    {.name = "webhook_client_key_file",
     .kind = OPTION_TEXT,
     TARGET(webhook_client_key_file),
     .standard = "",
     .help = "A PEM file with its key, without a pass phrase."},

    {.group = "OAuth tokens",
     .name = "encryption_keys",
     .kind = OPTION_SECRET,
     TARGET(encryption_keys),
     .standard = "",
     .help = "The keys of `pgherald oauth`: id:base64 of 32 bytes, with commas or, in a file of "
             "their\n"
             "own, lines between. The first one seals, all open. `pgherald oauth keygen` makes "
             "one.\n"
             "The daemon does not need them."},

    {.group = "Maintenance jobs",
     .name = "jobs",
     .kind = OPTION_BOOL,
     TARGET(jobs),
     .standard = "on",
     .help =
         "Whether this daemon runs the jobs of pgherald.jobs. Of several daemons on one database\n"
         "all may: each job is run by one of them at a time."},
    {.name = "jobs_poll",
     .kind = OPTION_DURATION,
     TARGET(jobs_poll_ms),
     .standard = "10s",
     .min = 100,
     .max = 1 * HOUR,
     .help = "How often it looks which of them are due."},
};

const size_t option_count = sizeof(options) / sizeof(*options);

const struct option *option_find(struct str name)
{
    for (size_t i = 0; i < option_count; i++)
        if (str_eq(name, str_c(options[i].name)))
            return &options[i];
    return NULL;
}
