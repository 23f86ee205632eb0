/* What the files that compile terms share: reading fields of nodes, making scalars. */
#ifndef PGHERALD_POLICY_COMPILE_TERM_H
#define PGHERALD_POLICY_COMPILE_TERM_H

#include "policy/compile.h"

/* Whether the field is that number. */
bool compile_number_is(const struct tree *node, const char *label, int64_t wanted);
/* The oid of a type in a field; false if there is none. */
bool compile_type_of(const struct tree *node, const char *label, uint32_t *out);

/* A new scalar, from the policy's arena. */
struct scalar *compile_scalar(struct compiler *c, enum scalar_kind kind, uint32_t type);
/* A new one that casts another to a type. */
struct scalar *compile_cast_of(struct compiler *c, const struct scalar *from, uint32_t type);

/* The term is this scalar. True, so that it can be returned. */
bool compile_is_scalar(struct term *out, const struct scalar *scalar);
/* The term is from now on the text of what it was, which is the stream's. True as well. */
bool compile_as_text(struct term *term);

bool compile_constant(struct compiler *c, const struct tree *node, struct term *out);
/* A call of a function: of current_setting() and of those that read claims (compile_claim.c). */
bool compile_function(struct compiler *c, const struct tree *node, struct term *out);
/* auth.jwt() ->> 'org', or a path with #>>. */
bool compile_step(struct compiler *c, const struct tree *node, struct term *out);

#endif
