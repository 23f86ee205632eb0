/* Rows in PostgreSQL's binary COPY format. Source: the COPY page of the manual, "Binary Format",
 * and the _recv functions of the types. All functions append; check buf_ok() at the end of a row.
 */
#ifndef PGHERALD_PG_COPY_H
#define PGHERALD_PG_COPY_H

#include "base/buf.h"
#include "base/lsn.h"

void copy_add_header(struct buf *out);
void copy_add_trailer(struct buf *out);

void copy_begin_row(struct buf *out, uint16_t fields);

void copy_add_null(struct buf *out);
void copy_add_int64(struct buf *out, int64_t v); /* bigint, pg_lsn */
void copy_add_timestamptz(struct buf *out, int64_t us_since_1970);
void copy_add_uuid(struct buf *out, const uint8_t uuid[16]);
/* A host's address, IPv4 or IPv6, as inet; false, and nothing added, if the text is none. */
bool copy_add_inet(struct buf *out, struct str address);
void copy_add_text(struct buf *out, struct str s); /* text, json */

/* A field whose length is known only when it has been written: begin, append, end. */
size_t copy_begin_field(struct buf *out);
void copy_end_field(struct buf *out, size_t begun);
/* The same for jsonb, which has a version byte in front of its text. */
size_t copy_begin_jsonb(struct buf *out);

/* text[]: begin, add each element by copy_add_text(), end with how many they were. */
size_t copy_begin_text_array(struct buf *out);
void copy_end_text_array(struct buf *out, size_t begun, uint32_t elements);

#endif
