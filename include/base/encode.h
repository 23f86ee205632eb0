/* Base64 (standard and URL alphabet) and hexadecimal. */
#ifndef PGHERALD_BASE_ENCODE_H
#define PGHERALD_BASE_ENCODE_H

#include "base/buf.h"

void base64_encode(struct buf *out, const uint8_t *data, size_t len);    /* padded */
void base64url_encode(struct buf *out, const uint8_t *data, size_t len); /* not padded */
/* Accepts both alphabets, padded or not; false on any other byte, with out as it was. */
bool base64_decode(struct buf *out, struct str text);

void hex_encode(struct buf *out, const uint8_t *data, size_t len); /* lower case */
/* Accepts both cases; false on any other byte or an odd length, with out as it was. */
bool hex_decode(struct buf *out, struct str text);

#endif
