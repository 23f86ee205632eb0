/* A block of HTTP header lines: `Name: value` each with a NUL behind it.
 *
 * A webhook may have headers of its own (a json object). They come from whoever owns the webhook,
 * so they must not be able to end a line, nor to replace what the program or HTTP itself sets. */
#ifndef PGHERALD_DISPATCH_HEADERS_H
#define PGHERALD_DISPATCH_HEADERS_H

#include "base/buf.h"
#include "base/err.h"

#define HEADERS_MAX 64          /* of a webhook */
#define HEADERS_BYTES_MAX 16384 /* of a block */

/* Appends a line of the program's own. */
void headers_add(struct buf *block, const char *name, struct str value);

/* Appends the members of the object; the error names the header and never its value. */
enum result headers_add_json(struct buf *block, struct str json, struct err *err) MUST_CHECK;

bool headers_have(struct str block, struct str name); /* without regard to case */

/* The next line of the block as a C string, with *at moved behind it; NULL at its end. *at starts
 * as 0. */
const char *headers_next(struct str block, size_t *at);

#endif
