/* What the decoders of all plugins begin with. */
#ifndef PGHERALD_DECODE_INTERNAL_H
#define PGHERALD_DECODE_INTERNAL_H

#include "decode/decoder.h"

#define MAX_COLUMNS 1664 /* of a table: MaxTupleAttributeNumber */
#define MAX_KEY 32       /* of an index: INDEX_MAX_KEYS */

struct decoder_ops {
    enum result (*read)(struct decoder *decoder, struct str message, struct err *err);
    bool (*next)(struct decoder *decoder, struct change *out);
    bool (*lacks_key)(const struct decoder *decoder);                   /* NULL: never */
    void (*set_keys)(struct decoder *decoder, struct table_keys *keys); /* NULL: needs none */
    void (*free)(struct decoder *decoder);
};

/* The first member of each. */
struct decoder {
    const struct decoder_ops *ops;
};

#endif
