/* From an entry of the audit trail back to the change that it tells of.
 *
 * The images of an entry are jsonb, which has lost the order of the columns, their types and the
 * texts of their values. The first two are taken from the catalog as it is now, the texts are made
 * again: what value_add_json() once made of a value, it makes of that text too. */
#ifndef PGHERALD_REPLAY_ENTRY_H
#define PGHERALD_REPLAY_ENTRY_H

#include "base/buf.h"
#include "row/change.h"
#include "row/type.h"

/* A table as the catalog has it now. */
struct entry_column {
    struct str name;
    uint32_t type;
};

struct entry_table {
    struct str schema, table;
    struct entry_column *columns; /* in the table's order; none if the table is gone */
    size_t column_count;
    struct str *key; /* names of the primary key's columns */
    size_t key_count;
};

/* The columns of an audit_logs row that a change is made of. */
struct entry {
    enum change_kind kind;
    struct position position;
    struct str old_values; /* jsonb as PostgreSQL prints it; empty for NULL */
    struct str new_values;
};

/* Reads entries one after the other; keeps its memory between them. */
struct entry_reader;

struct entry_reader *entry_reader_new(void);
void entry_reader_free(struct entry_reader *reader);

/* Fills `change`, which borrows from the entry, the table and the reader until the next call.
 * FAILED if an image is no JSON object, or has too many columns. */
enum result entry_read(struct entry_reader *reader, const struct entry_table *table,
                       const struct types *types, const struct entry *entry, struct change *change,
                       struct err *err) MUST_CHECK;

/* "[redacted]", or "[left out: N bytes]": what stands for a value that the trail does not have. */
bool entry_is_redacted(const struct column *column);
bool entry_is_left_out(const struct column *column);
/* "sha256:" and a digest: what stands for a value that is hashed. */
bool entry_is_digest(const struct column *column);

/* Puts "[redacted]" in the place of values that `hide` says of that they must not be shown, in the
 * change that was read last. NULLs stay. */
void entry_redact(struct entry_reader *reader, bool (*hide)(void *arg, const struct column *column),
                  void *arg);

#endif
