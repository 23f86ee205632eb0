/* What the files of `pgherald init` share. */
#ifndef PGHERALD_CLI_INIT_H
#define PGHERALD_CLI_INIT_H

#include <jansson.h>

#include "cli/facts.h"

#define MAX_LISTED 20 /* tables in one warning; the rest is a number */

struct init {
    const struct config *config;
    struct pg_sync *conn;
    bool dry_run, with_seed_app;
    bool json;
    bool said; /* the error is on stderr already */
    json_t *steps, *warnings;
    char *schemas; /* a text[] literal */
    struct server_facts server;
    struct slot_facts slot;
    enum config_plugin plugin; /* the slot's, or that of the slot to be made */
};

/* A step that was done, and something that the operator should know. */
void init_say(struct init *init, const char *kind, const char *name, const char *what);
void init_warn(struct init *init, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Brings the publication up to date; for pgoutput so that it lists all that is followed. */
enum result init_publish(struct init *init, struct err *err) MUST_CHECK;

#endif
