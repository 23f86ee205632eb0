/* Writing JSON text, and walking over it without building a tree.
 *
 * This is for the hot path, where values must keep their exact text. Everywhere else jansson reads
 * and writes JSON. Source of the grammar: RFC 8259. */
#ifndef PGHERALD_BASE_JSON_H
#define PGHERALD_BASE_JSON_H

#include "base/buf.h"

/* Appends `s` as a JSON string with its quotes. Bytes above 0x7f pass as they are (UTF-8). */
void json_add_string(struct buf *out, struct str s);
/* The same without the quotes. */
void json_add_escaped(struct buf *out, struct str s);

/* Undoes the escapes of the inside of a JSON string (no quotes). false on a bad escape, a lone
 * surrogate or \u0000, which no PostgreSQL text can hold; out may then hold a part. */
bool json_unescape(struct buf *out, struct str inside);

/* Appends what the JSON string `value` (with its quotes) says to `room`, and gives a view of it
 * there. false: it is no string, or has a bad escape. Room for the whole text that it is in has to
 * be reserved, so that the views stay: unescaping never makes text longer. */
bool json_read_string(struct buf *room, struct str value, struct str *out);

/* Where the JSON string that starts at p (a quote) ends, one past its closing quote; NULL if it
 * does not end before `end`. */
const char *json_string_end(const char *p, const char *end);

/* One whole number by the JSON grammar: no leading zeros, no NaN. */
bool json_is_number(struct str s);

#define JSON_MAX_DEPTH 256

/* One well-formed value in valid UTF-8, not nested deeper than JSON_MAX_DEPTH. */
bool json_is_valid(struct str text);

/* Whether PostgreSQL will take this json text as jsonb: well-formed, no \u0000, no lone surrogates,
 * no number beyond numeric, not nested deeper than JSON_MAX_DEPTH. */
bool json_is_jsonb(struct str text);

/* Goes over the elements of an array or the members of an object, as views of their text. Only for
 * what json_is_valid() has taken. Anything else than an array or object has none. */
struct json_cursor {
    const char *p;
    const char *end;
    bool is_object;
};

struct json_cursor json_enter(struct str text);
/* false: there are no more. `key` is what stands between the quotes, still escaped; empty in an
 * array. */
bool json_next(struct json_cursor *cursor, struct str *key, struct str *value);

#endif
