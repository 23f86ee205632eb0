/* What pgoutput has said of tables, by oid. It says it once a session and again when the table has
 * changed, so nothing can be left out of here: what would exceed the maximum ends the session, and
 * the next one begins with nothing. */
#ifndef PGHERALD_DECODE_RELATION_H
#define PGHERALD_DECODE_RELATION_H

#include "base/map.h"
#include "decode/internal.h"
#include "decode/wire.h"

/* How the text of a column's values is to be read. */
enum column_reading { READ_TEXT, READ_NUMBER, READ_BOOL, READ_BYTEA };

struct relation_column {
    struct str name;
    uint32_t type;
    enum column_reading reading;
    bool identifies; /* is in the replica identity */
};

struct relation {
    struct map_node node;
    uint32_t oid;
    char identity; /* pg_class.relreplident: d n f i */
    bool followed;
    bool key_known;
    size_t bytes;    /* of memory */
    uint64_t number; /* of its description: a newer one has a greater one, if they are numbered */
    struct str schema, table;
    size_t count;
    size_t key_count;
    struct str key[MAX_KEY];
    struct relation_column columns[];
};

struct relations {
    struct map map;
    struct relation *last; /* the one asked for last; may be NULL */
    size_t bytes;
    size_t max_bytes;
};

void relations_init(struct relations *relations, size_t max_bytes);
void relations_fini(struct relations *relations);

/* Reads a message of type R, behind that byte, in the place of what was said before. */
enum result relations_read(struct relations *relations, struct wire *wire, uint64_t number,
                           const struct config *config) MUST_CHECK;

/* Moves to `to` what `from` has, but for what has a newer description there. `from` is empty then. */
enum result relations_adopt(struct relations *to, struct relations *from,
                            struct err *err) MUST_CHECK;
void relations_clear(struct relations *relations);
struct relation *relations_find(struct relations *relations, uint32_t oid); /* or NULL */

/* Takes the key from `keys` (NULL: there are none). */
void relation_set_key(struct relation *relation, const struct table_keys *keys);

#endif
