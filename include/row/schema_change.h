/* What an event trigger says became of the schema: the facts of pgherald.emit_schema_change() in
 * sql/migrations/027_schema_changes.sql, as they are behind the signature. */
#ifndef PGHERALD_ROW_SCHEMA_CHANGE_H
#define PGHERALD_ROW_SCHEMA_CHANGE_H

#include "base/buf.h"
#include "base/err.h"

/* The prefix of the logical message. */
#define SCHEMA_CHANGE_PREFIX STR("pgherald:schema")
/* A statement of 4000 characters and two names, escaped, are less. */
#define SCHEMA_CHANGE_MAX ((size_t)64 << 10)

struct schema_change {
    uint64_t xid;      /* with its epoch in the upper half */
    struct str type;   /* of the object, as PostgreSQL calls it: table, function, policy */
    struct str name;   /* its identity; empty if the command names none (GRANT) */
    struct str change; /* command and statement: JSON text that jsonb takes */
};

/* Reads the facts. The views point into them and into `scratch`, which is emptied first. */
enum result schema_change_read(struct str facts, struct buf *scratch, struct schema_change *out,
                               struct err *err) MUST_CHECK;

#endif
