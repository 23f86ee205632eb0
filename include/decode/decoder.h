/* A decoder turns one message of a logical replication stream into a struct change.
 *
 * Decoders are pure: bytes in, change out. What the change points at lives in the message and in
 * the decoder's own memory, until the next decoder_read(). */
#ifndef PGHERALD_DECODE_DECODER_H
#define PGHERALD_DECODE_DECODER_H

#include "base/err.h"
#include "row/change.h"

struct decoder;

struct decoder *decoder_new_wal2json(void);
void decoder_free(struct decoder *decoder);

/* On FAILED the message is no change that we understand; err says where in the message. */
enum result decoder_read(struct decoder *decoder, struct str message, struct change *out,
                         struct err *err) MUST_CHECK;

#endif
