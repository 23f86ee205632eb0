#include "cli/facts.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "embedded.h"

#define COPY_TEXT(field, rows, column)                                                             \
    snprintf(field, sizeof(field), "%s", pg_rows_text(rows, 0, column))

enum result server_facts_load(struct pg_sync *conn, struct server_facts *out, struct err *err)
{
    struct pg_rows *rows;

    *out = (struct server_facts){0};
    if (pg_sync_run(conn, sql_doctor_server, NULL, 0, &rows, err) != OK)
        return FAILED;
    COPY_TEXT(out->version, rows, 0);
    out->version_number = (int)pg_rows_number(rows, 0, 1);
    COPY_TEXT(out->wal_level, rows, 2);
    out->max_slots = (int)pg_rows_number(rows, 0, 3);
    out->used_slots = (int)pg_rows_number(rows, 0, 4);
    out->max_senders = (int)pg_rows_number(rows, 0, 5);
    out->used_senders = (int)pg_rows_number(rows, 0, 6);
    out->guards_plugins = !pg_rows_is_null(rows, 0, 7);
    COPY_TEXT(out->plugin_libraries, rows, 7);
    COPY_TEXT(out->user, rows, 8);
    out->superuser = pg_rows_is_true(rows, 0, 9);
    out->replication = pg_rows_is_true(rows, 0, 10);
    out->standby = pg_rows_is_true(rows, 0, 11);
    out->may_create = pg_rows_is_true(rows, 0, 12);
    out->now_us = pg_rows_number(rows, 0, 13);
    COPY_TEXT(out->database, rows, 14);
    COPY_TEXT(out->encoding, rows, 15);
    pg_rows_free(rows);
    return OK;
}

enum result slot_facts_load(struct pg_sync *conn, const char *slot, struct slot_facts *out,
                            struct err *err)
{
    const char *params[] = {slot};
    struct pg_rows *rows;

    *out = (struct slot_facts){0};
    if (pg_sync_run(conn, sql_status_slot, params, 1, &rows, err) != OK)
        return FAILED;
    out->exists = pg_rows_count(rows) == 1;
    if (out->exists) {
        out->logical = strcmp(pg_rows_text(rows, 0, 0), "logical") == 0;
        COPY_TEXT(out->plugin, rows, 1);
        COPY_TEXT(out->database, rows, 2);
        out->here = pg_rows_is_true(rows, 0, 3);
        out->active = pg_rows_is_true(rows, 0, 4);
        out->active_pid = pg_rows_number(rows, 0, 5);
        COPY_TEXT(out->wal_status, rows, 6);
        out->has_safe_size = !pg_rows_is_null(rows, 0, 7);
        out->safe_size = pg_rows_number(rows, 0, 7);
        COPY_TEXT(out->restart_lsn, rows, 8);
        COPY_TEXT(out->confirmed_lsn, rows, 9);
        out->lag_bytes = pg_rows_number(rows, 0, 10);
        out->retained_bytes = pg_rows_number(rows, 0, 11);
    }
    pg_rows_free(rows);
    return OK;
}

const char *plugin_name(enum config_plugin plugin)
{
    return plugin == PLUGIN_PGOUTPUT ? "pgoutput" : "wal2json";
}

/* A list of names as SplitGUCList() reads it: with quotes, a comma belongs to the name. */
bool plugin_is_listed(const char *libraries, const char *plugin)
{
    struct str rest = str_c(libraries), name;
    bool more = rest.len > 0;

    while (more) {
        rest = str_trim(rest);
        if (rest.len > 0 && rest.data[0] == '"') {
            rest = str_from(rest.data + 1, rest.len - 1);
            str_split(rest, '"', &name, &rest);
            more = str_split(rest, ',', &(struct str){0}, &rest);
        } else {
            more = str_split(rest, ',', &name, &rest);
            name = str_trim(name);
        }
        if (str_eq(name, str_c(plugin)))
            return true;
    }
    return false;
}

static bool is_let_in(const struct server_facts *server, enum config_plugin plugin)
{
    return !server->guards_plugins ||
           plugin_is_listed(server->plugin_libraries, plugin_name(plugin));
}

enum config_plugin plugin_to_use(enum config_plugin configured, const struct server_facts *server,
                                 const struct slot_facts *slot)
{
    if (slot->exists)
        return strcmp(slot->plugin, "pgoutput") == 0 ? PLUGIN_PGOUTPUT : PLUGIN_WAL2JSON;
    if (configured != PLUGIN_AUTO)
        return configured;
    return is_let_in(server, PLUGIN_WAL2JSON) ? PLUGIN_WAL2JSON : PLUGIN_PGOUTPUT;
}

static void describe_plugin_remedy(const struct server_facts *server, enum config_plugin plugin,
                                   struct err *remedy)
{
    const char *own = plugin == PLUGIN_WAL2JSON ? ", wal2json" : "";
    const char *own_quoted = plugin == PLUGIN_WAL2JSON ? ", 'wal2json'" : "";
    const char *other = plugin == PLUGIN_WAL2JSON
                            ? " Or set plugin = pgoutput, which needs no such permission"
                            : "";

    if (strchr(server->plugin_libraries, '"'))
        err_set(remedy,
                "it is %s now: a list in one pair of quotes counts as one name. alter system set "
                "output_plugin_libraries = 'pgoutput', 'test_decoding'%s; select "
                "pg_reload_conf();%s",
                server->plugin_libraries, own_quoted, other);
    else
        err_set(remedy,
                "it is \"%s\" now. In postgresql.conf: output_plugin_libraries = 'pgoutput, "
                "test_decoding%s', or: alter system set output_plugin_libraries = "
                "'pgoutput', 'test_decoding'%s; then: select pg_reload_conf();%s",
                server->plugin_libraries, own, own_quoted, other);
}

bool server_forbids_slot(const struct server_facts *server, enum config_plugin plugin,
                         struct err *what, struct err *remedy)
{
    if (strcmp(server->wal_level, "logical") != 0) {
        err_set(what, "wal_level is %s, so the server cannot decode changes", server->wal_level);
        err_set(remedy, "alter system set wal_level = 'logical'; then restart the server");
        return true;
    }
    if (!server->replication) {
        err_set(what, "role %s may not replicate", server->user);
        err_set(remedy, "as a superuser: alter role \"%s\" replication;", server->user);
        return true;
    }
    if (!is_let_in(server, plugin)) {
        err_set(what, "output_plugin_libraries does not list %s, so the server refuses it",
                plugin_name(plugin));
        describe_plugin_remedy(server, plugin, remedy);
        return true;
    }
    return false;
}

static bool is_of_our_plugins(const struct slot_facts *slot)
{
    return slot->logical &&
           (strcmp(slot->plugin, "wal2json") == 0 || strcmp(slot->plugin, "pgoutput") == 0);
}

bool slot_is_unusable(const char *name, const struct slot_facts *slot,
                      enum config_plugin configured, struct err *what, struct err *remedy)
{
    if (!is_of_our_plugins(slot)) {
        err_set(what, "slot %s is %s%s, not of wal2json or pgoutput", name,
                slot->logical ? "of the plugin " : "physical", slot->logical ? slot->plugin : "");
        err_set(remedy,
                "choose another slot_name, or, if nobody needs the slot: select "
                "pg_drop_replication_slot('%s'); and pgherald init",
                name);
        return true;
    }
    if (configured != PLUGIN_AUTO && strcmp(slot->plugin, plugin_name(configured)) != 0) {
        err_set(what, "slot %s is of the plugin %s, and the setting plugin is %s", name,
                slot->plugin, plugin_name(configured));
        err_set(remedy, "set plugin = auto to go on with the slot; docs/stream.md tells how to "
                        "change the plugin without a gap");
        return true;
    }
    if (!slot->here) {
        err_set(what, "slot %s belongs to database %s of this server", name, slot->database);
        err_set(remedy, "choose another slot_name: slots of all databases share their names");
        return true;
    }
    if (strcmp(slot->wal_status, "lost") == 0) {
        err_set(what,
                "slot %s is lost: the server removed WAL that it still needed, so changes are "
                "missing for good",
                name);
        err_set(remedy,
                "select pg_drop_replication_slot('%s'); and pgherald init, which makes it anew and "
                "records the gap; raise max_slot_wal_keep_size so that it lasts longer than an "
                "outage",
                name);
        return true;
    }
    return false;
}
