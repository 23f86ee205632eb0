/* What init, status and doctor all ask of the server. */
#ifndef PGHERALD_CLI_FACTS_H
#define PGHERALD_CLI_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "pg/sync.h"

struct server_facts {
    char version[64];
    int version_number; /* 150020 */
    char wal_level[16];
    char encoding[32];
    int max_slots, used_slots;
    int max_senders, used_senders;
    bool guards_plugins;        /* the server has output_plugin_libraries, and says it */
    char plugin_libraries[512]; /* its value */
    char user[64];
    char database[64];
    bool superuser, replication, standby, may_create;
    int64_t now_us; /* the server's clock */
};

struct slot_facts {
    bool exists;
    bool logical, here, active;
    char plugin[64];
    char database[64];
    char wal_status[16];
    char restart_lsn[24], confirmed_lsn[24]; /* empty: none */
    long long active_pid, lag_bytes, retained_bytes;
    bool has_safe_size; /* max_slot_wal_keep_size is set */
    long long safe_size;
};

enum result server_facts_load(struct pg_sync *conn, struct server_facts *out,
                              struct err *err) MUST_CHECK;
enum result slot_facts_load(struct pg_sync *conn, const char *slot, struct slot_facts *out,
                            struct err *err) MUST_CHECK;

/* "wal2json" or "pgoutput"; not for PLUGIN_AUTO. */
const char *plugin_name(enum config_plugin plugin);

/* Whether `libraries` (the value of output_plugin_libraries) lets a plugin in. */
bool plugin_is_listed(const char *libraries, const char *plugin);

/* The plugin to use, never auto: that of a slot that exists, what is configured, or, for auto,
 * wal2json unless the server says that it does not let it in. Whether it is installed nobody knows
 * before a slot is made. */
enum config_plugin plugin_to_use(enum config_plugin configured, const struct server_facts *server,
                                 const struct slot_facts *slot);

/* What keeps the server from having a slot of the plugin, with the remedy; false if nothing does.
 */
bool server_forbids_slot(const struct server_facts *server, enum config_plugin plugin,
                         struct err *what, struct err *remedy);

/* What is wrong with a slot that exists, with the remedy; false if nothing is. */
bool slot_is_unusable(const char *name, const struct slot_facts *slot,
                      enum config_plugin configured, struct err *what, struct err *remedy);

#endif
