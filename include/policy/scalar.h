/* Expressions that look at nothing but the claims of a token: auth.uid(), auth.jwt() ->> 'org' and
 * what can be built of them. They have one value for each session. */
#ifndef PGHERALD_POLICY_SCALAR_H
#define PGHERALD_POLICY_SCALAR_H

#include "base/arena.h"
#include "policy/datum.h"

enum scalar_kind {
    SCALAR_CONSTANT,
    SCALAR_SETTING, /* current_setting('request.jwt.claims'), as text */
    SCALAR_CLAIMS,  /* the same as json or jsonb */
    SCALAR_FIELD,   /* -> and #>; with as_text ->> and #>> */
    SCALAR_CAST,
    SCALAR_COALESCE,
    SCALAR_NULLIF
};

struct scalar {
    enum scalar_kind kind;
    uint32_t type;
    enum datum_class class; /* CLASS_NONE: json or jsonb */
    struct datum value;     /* SCALAR_CONSTANT */
    const struct str *path; /* SCALAR_FIELD */
    size_t path_len;
    bool as_text;
    const struct scalar *left, *right; /* of COALESCE and NULLIF; the others have a left one */
};

struct claims;

/* Never NULL. Claims that are not to be understood, such as a key that is there twice, make every
 * field UNSURE. */
struct claims *claims_open(struct str text);
void claims_close(struct claims *claims);

/* What it stands for; text is in the arena. Not for json and jsonb. */
struct datum scalar_value(const struct scalar *scalar, const struct claims *claims,
                          struct arena *arena);

#endif
