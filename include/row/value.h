/* From the text of a value to JSON, as PostgreSQL's to_jsonb() would make it (jsonb.c, json.c). */
#ifndef PGHERALD_ROW_VALUE_H
#define PGHERALD_ROW_VALUE_H

#include "base/buf.h"
#include "row/change.h"
#include "row/type.h"

enum value_style {
    VALUE_AS_JSONB,   /* to_jsonb exactly: bytea is "\\x..." */
    VALUE_AS_REALTIME /* what Supabase Realtime sends: bytea without the \x */
};

/* Appends the value as JSON. `types` may lack the column's type: it is then a string, unless it
 * came as a literal. json that jsonb would refuse (\u0000, lone surrogates) becomes a string. */
void value_add_json(struct buf *out, const struct types *types, const struct column *column,
                    enum value_style style);

/* Appends PostgreSQL's own text of the value; nothing for NULL. */
void value_add_text(struct buf *out, const struct column *column);

/* Whether the text of both is the same; a NULL equals only a NULL. */
bool value_same(const struct column *a, const struct column *b);

#endif
