/* A connection that comes back: opened again after a back-off whenever it is lost. */
#ifndef PGHERALD_PG_LINK_H
#define PGHERALD_PG_LINK_H

#include "pg/conn.h"

struct pg_link;

struct pg_link_options {
    const char *database_url; /* borrowed for the link's life, as is the rest */
    const char *application_name;
    const char *session_sql; /* run first on every connection, without parameters; may be NULL */
    const char *log_area;
};

struct pg_link_events {
    void (*on_up)(void *arg);   /* connected, the session's statements accepted */
    void (*on_down)(void *arg); /* after an on_up: what was asked for has no answer */
};

struct pg_link *pg_link_open(uv_loop_t *loop, const struct pg_link_options *options,
                             const struct pg_link_events *events, void *arg);
void pg_link_close(struct pg_link *link); /* no event follows; NULL is fine */

/* The connection, for pg_conn_query() alone; NULL while it is down, or if there is no link. */
struct pg_conn *pg_link_conn(const struct pg_link *link);

#endif
