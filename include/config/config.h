/* Process settings. Rules (what to audit, notify, call) are rows in tables, not settings.
 *
 * One table in config/options.c (name, kind, target, default, limits, help) feeds the parser, the
 * environment overrides (PGHERALD_<KEY>), --help and the sample file. A struct config is immutable
 * once the threads run; SIGHUP reads the file again and applies what is marked reloadable. */
#ifndef PGHERALD_CONFIG_CONFIG_H
#define PGHERALD_CONFIG_CONFIG_H

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"

/* A comma-separated list; items are owned by the config. */
struct config_list {
    char **items;
    size_t count;
};

struct config_address {
    char *host; /* without brackets for IPv6; empty means all */
    unsigned port;
};

/* Who turns the WAL into messages, in the database's server. */
enum config_plugin { PLUGIN_AUTO, PLUGIN_WAL2JSON, PLUGIN_PGOUTPUT };

/* `publication` lists what can be published whole; the other one, of the same name with this behind
 * it, the tables without a replica identity, of which only new rows can be. */
#define PUBLICATION_OF_INSERTS "_inserts"

struct config {
    char *database_url;
    char *slot_name;
    char *run_as; /* a user's name; empty: stay who we are */
    enum config_plugin plugin;
    char *publication;
    bool streaming;        /* of transactions in progress, where plugin and server can */
    char *spool_directory; /* for these */
    uint64_t spool_max_bytes;
    struct config_list schemas; /* whose tables are followed */

    struct config_address listen;
    char *tls_cert_file; /* empty: no TLS on `listen` */
    char *tls_key_file;
    struct config_list allowed_origins; /* patterns; empty: every origin */
    struct config_address admin_listen;

    char *jwt_secret;
    bool admin_auth; /* metrics and status want a token or a key */
    char *jwt_jwks_file;
    char *jwt_jwks_url; /* https, or http to this machine; checked */
    unsigned jwt_jwks_refresh_ms;
    char *jwt_jwks_ca_file;          /* empty: the system's */
    struct config_list jwt_audience; /* empty: any */
    struct config_list jwt_issuer;   /* the same */
    unsigned jwt_leeway_ms;

    unsigned api_keys_max;
    unsigned api_key_usage_flush_ms;

    enum log_level log_level;
    enum log_format log_format;

    bool audit;                             /* off: no audit rows at all */
    struct config_list audit_gateway_roles; /* logins whose claims are believed */
    bool audit_auth_events;                 /* of auth.audit_log_entries, where it is */
    char *audit_export_dir;                 /* empty: none */
    struct config_list audit_redact;        /* patterns of column names whose values are not kept */

    unsigned batch_max_changes;
    unsigned batch_max_wait_ms;
    size_t store_buffer_bytes; /* rows waiting for the store before reading pauses */
    unsigned feedback_interval_ms;
    unsigned stream_timeout_ms;
    uint64_t slot_warning_bytes;
    uint64_t slot_critical_bytes;
    uint64_t slot_drop_beyond_bytes; /* 0: never */
    unsigned shutdown_timeout_ms;

    size_t realtime_queue_bytes;
    unsigned realtime_threads;
    unsigned realtime_max_clients;
    unsigned realtime_max_channels;         /* a connection */
    unsigned realtime_max_joins_per_second; /* these three of a connection, too */
    unsigned realtime_max_messages_per_second;
    unsigned realtime_max_presence_per_second;
    unsigned realtime_max_presences; /* in a topic */
    size_t realtime_presence_memory_bytes;
    size_t realtime_max_payload_bytes; /* of a broadcast, of a presence */
    bool realtime_private_only;
    size_t realtime_client_buffer_bytes;
    size_t realtime_max_frame_bytes;
    unsigned realtime_idle_timeout_ms;

    bool webhook_allow_private;
    struct config_list webhook_allow, webhook_only; /* see dispatch/guard.h */
    unsigned webhook_concurrency;
    unsigned webhook_endpoint_concurrency;
    size_t webhook_response_bytes;    /* of a response body that are kept */
    unsigned webhook_breaker_percent; /* of failures; 0: it never opens */
    unsigned webhook_breaker_attempts;
    unsigned webhook_breaker_window_ms;
    unsigned webhook_breaker_pause_ms;
    unsigned webhook_breaker_pause_max_ms;
    unsigned webhook_disable_after_ms;
    char *webhook_ca_file;          /* empty: the system's */
    char *webhook_client_cert_file; /* empty: none */
    char *webhook_client_key_file;

    char *encryption_keys; /* for vault_keys_parse(); empty: none */

    bool jobs; /* off: this daemon runs no maintenance */
    unsigned jobs_poll_ms;
};

/* Reads `path` (NULL: the built-in defaults only), then the environment, then checks. On FAILED
 * *out is NULL and err names the file, the line, the key and what is allowed. */
enum result config_load(const char *path, struct config **out, struct err *err) MUST_CHECK;
void config_free(struct config *config);

/* The commented sample that is conf/pgherald.conf, and the list of keys for --help. */
void config_write_sample(struct buf *out);
void config_write_help(struct buf *out);

/* Every key with its value as a file would have it; of secrets only that they are set. */
void config_write_effective(const struct config *config, struct buf *out);

/* The same as a JSON object of texts. */
void config_write_json(const struct config *config, struct buf *out);

/* What differs, as a JSON object: key to [before, after], of a secret only "changed". `reloadable`:
 * of what a running daemon follows, else of the rest. */
void config_write_changes(const struct config *before, const struct config *after, bool reloadable,
                          struct buf *out);

/* Whether `fresh` differs where a running daemon cannot follow; appends those keys with commas. */
bool config_needs_restart(const struct config *running, const struct config *fresh,
                          struct buf *keys);

/* "host:port" for messages; returns out. */
const char *config_address_text(const struct config_address *address, char out[128]);

#endif
