/* PostgreSQL's own text of a value, from the JSON that value_add_json() makes of it (as to_jsonb()
 * would): the way back of row/value. */
#ifndef PGHERALD_REPLAY_TEXT_H
#define PGHERALD_REPLAY_TEXT_H

#include "base/buf.h"
#include "row/type.h"

/* Appends the text. `json` is one well-formed value other than null, as PostgreSQL prints jsonb;
 * what does not fit the type is appended as it stands, a string without its quotes. */
void text_add(struct buf *out, const struct types *types, uint32_t type, struct str json);

/* Whether a JSON value can be what a value of the type became, with all that is in it; null can. */
bool text_fits(const struct types *types, uint32_t type, struct str json);

#endif
