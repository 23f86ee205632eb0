/* A decoder turns the messages of a logical replication stream into struct changes. There is one
 * for each output plugin; above it nothing knows which.
 *
 * Decoders are pure: bytes in, changes out. What a change points at lives in the message and in the
 * decoder's own memory, until the next decoder_read(). A decoder belongs to one session, since what
 * pgoutput says of a table it says once a session. */
#ifndef PGHERALD_DECODE_DECODER_H
#define PGHERALD_DECODE_DECODER_H

#include "base/err.h"
#include "config/config.h"
#include "decode/table_keys.h"
#include "row/change.h"

struct decoder;

struct decoder *decoder_new_wal2json(void);
/* `config` says which tables are followed; borrowed. */
struct decoder *decoder_new_pgoutput(const struct config *config);
void decoder_free(struct decoder *decoder); /* NULL is fine */

/* On FAILED the message is nothing that we understand; err says where in the message. */
enum result decoder_read(struct decoder *decoder, struct str message, struct err *err) MUST_CHECK;

/* The next change of the message: none in what only describes a table, several in a TRUNCATE of
 * several tables. false: there are no more. */
bool decoder_next(struct decoder *decoder, struct change *out);

/* Whether the primary key of the table of the row just read has to be looked up: give the decoder
 * keys that were read after this call, and then the message again. A message of which that is true
 * holds one change. */
bool decoder_lacks_key(const struct decoder *decoder);
void decoder_set_keys(struct decoder *decoder, struct table_keys *keys); /* takes them */

#endif
