/* The central type: one thing that PostgreSQL said happened, as a decoder saw it.
 *
 * A change borrows everything: names and values point into the message it was read from and into
 * the decoder's scratch memory, and live until the decoder reads the next message. What has to live
 * longer is derived from it (an audit row, a delivery, a struct event for the browsers).
 *
 * The identity of a row change is (commit LSN, ordinal in its transaction): a row's own LSN is not
 * unique. The pipeline counts the ordinals. */
#ifndef PGHERALD_ROW_CHANGE_H
#define PGHERALD_ROW_CHANGE_H

#include "base/lsn.h"
#include "base/str.h"

enum change_kind {
    CHANGE_BEGIN,
    CHANGE_COMMIT,
    CHANGE_INSERT,
    CHANGE_UPDATE,
    CHANGE_DELETE,
    CHANGE_TRUNCATE,
    CHANGE_MESSAGE
};

/* How a value's text is to be read. Both forms keep every digit PostgreSQL sent. */
enum value_form {
    VALUE_NULL,
    VALUE_LITERAL, /* PostgreSQL's text of a number or boolean; booleans as true and false */
    VALUE_ESCAPED, /* PostgreSQL's text, escaped as the inside of a JSON string, without quotes */
    VALUE_TEXT,    /* PostgreSQL's text as it is */
    /* A number that is NaN or an infinity, which of them is not known: wal2json prints these as
     * null, and the column takes no NULL. Where it does, the two look the same. */
    VALUE_LOST
};

struct column {
    struct str name; /* plain, unescaped */
    uint32_t type;   /* oid of pg_type */
    enum value_form form;
    struct str value; /* empty when VALUE_NULL or VALUE_LOST */
};

struct columns {
    const struct column *items;
    size_t count;
};

struct change {
    enum change_kind kind;
    uint32_t xid;
    int64_t commit_time; /* microseconds since 1970 */

    /* BEGIN and COMMIT: the LSN of the commit record, and the end of it, which is what gets
     * confirmed to the server. */
    lsn_t commit_lsn;
    lsn_t end_lsn;

    /* INSERT, UPDATE, DELETE, TRUNCATE. `record` is the new row, without columns whose TOASTed
     * value did not change. `identity` is the old row: the replica identity's columns, all of them
     * with REPLICA IDENTITY FULL. `key` are the names of the primary key's columns. */
    struct str schema;
    struct str table;
    struct columns record;
    struct columns identity;
    const struct str *key;
    size_t key_count;

    /* MESSAGE: pg_logical_emit_message(). */
    struct str prefix;
    struct str content;
};

/* Where a change stands in the stream: its transaction and its place in it. (commit_lsn, ordinal)
 * is the identity of a change for ever. */
struct position {
    lsn_t commit_lsn;
    uint64_t ordinal;    /* from 1 */
    int64_t commit_time; /* microseconds since 1970 */
    uint32_t xid;
};

bool change_is_row(const struct change *change); /* INSERT, UPDATE, DELETE or TRUNCATE */

/* "insert", "update", "delete", "truncate"; "begin", "commit", "message". */
struct str change_verb(enum change_kind kind);

/* The column of that name, or NULL. */
const struct column *columns_find(struct columns columns, struct str name);

/* The value of a column in the row as it is after the change (for DELETE: as it was): from the
 * record, else, for TOASTed values that did not change, from a full identity. */
const struct column *change_current(const struct change *change, struct str name);

/* Whether `identity` holds the whole old row and not only the key. */
bool change_has_full_identity(const struct change *change);

#endif
