/* What a transaction says of itself: the facts of pgherald.emit_context() in
 * sql/migrations/021_audit_context.sql, as they are behind the signature. */
#ifndef PGHERALD_ROW_AUDIT_CONTEXT_H
#define PGHERALD_ROW_AUDIT_CONTEXT_H

#include "base/buf.h"
#include "base/err.h"

/* The prefix of the logical message. */
#define AUDIT_CONTEXT_PREFIX STR("pgherald:context")
/* The facts bound each field, so that all of them have less. */
#define AUDIT_CONTEXT_MAX ((size_t)128 << 10)

/* Plain text; what was not said is empty. */
struct audit_context {
    uint64_t xid;        /* with its epoch in the upper half */
    struct str actor;    /* the claim sub */
    struct str declared; /* the actor that set_context() was told, a uuid */
    struct str session_user;
    struct str role;
    struct str session_id;
    struct str aal;
    struct str address; /* of the connection to PostgreSQL */
    struct str x_forwarded_for;
    struct str cf_connecting_ip;
    struct str x_real_ip;
    struct str user_agent;
    struct str method;
    struct str path;
    struct str application_name;
    struct str application; /* JSON text that nobody has looked at */
    struct str flaws;       /* what could not be read, words with spaces between */
    bool is_read;           /* the request itself is to be an entry */
};

/* Reads the facts. The views point into `scratch`, which is emptied first. */
enum result audit_context_read(struct str facts, struct buf *scratch, struct audit_context *out,
                               struct err *err) MUST_CHECK;

#endif
