/* Constants of a parsed expression: bytes as they lie in the server's memory.
 * Source: outDatum() of outfuncs.c; numeric.c, array.h, timestamp.h for what the bytes mean. */
#ifndef PGHERALD_POLICY_CONSTANT_H
#define PGHERALD_POLICY_CONSTANT_H

#include "policy/datum.h"
#include "policy/facts.h"
#include "policy/tree.h"

struct constant {
    uint32_t type;
    enum datum_class class; /* of the elements, for an array */
    bool is_array;
    bool is_null;           /* NULL, of whatever type */
    struct datum value;     /* no array; NULL or KNOWN */
    struct datum *elements; /* of an array, each NULL or KNOWN */
    size_t element_count;
};

/* Reads a node CONST. false if it is not understood: a type that is not ours, a server of another
 * byte order, a value that has no place here. */
bool constant_read(struct arena *arena, const struct policy_facts *facts, const struct tree *node,
                   struct constant *out);

#endif
