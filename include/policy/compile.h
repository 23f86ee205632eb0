/* From PostgreSQL's parsed form to expr. Whatever is not understood for certain becomes
 * EXPR_OPAQUE. */
#ifndef PGHERALD_POLICY_COMPILE_H
#define PGHERALD_POLICY_COMPILE_H

#include "policy/expr.h"
#include "policy/facts.h"
#include "policy/policy.h"
#include "policy/scalar.h"
#include "policy/tree.h"

/* A value of the row: a column, read as a class; CLASS_NONE if only whether it is NULL matters. */
struct row_slot {
    struct str column;
    uint32_t type; /* the stream's has to be the same */
    enum datum_class class;
    const struct str *labels; /* of an enum: those that there are */
    size_t label_count;
};

struct policy_key {
    size_t row, session; /* slots */
    enum datum_class class;
};

struct policy {
    struct arena arena;
    struct expr *condition;
    bool clear; /* no part of it is opaque */
    struct row_slot *row;
    size_t row_count, row_cap;
    const struct scalar **session;
    size_t session_count, session_cap;
    struct policy_key keys[POLICY_MAX_KEYS];
    size_t key_count;
    struct str *columns; /* that any clause looks at */
    size_t column_count;
};

struct compiler {
    struct policy *policy;
    const struct policy_facts *facts;
};

/* A side of a comparison, before it has a slot. */
struct term {
    uint32_t type;
    enum datum_class class;
    const struct scalar *scalar; /* NULL: a column of the row */
    struct row_slot slot;
};

bool compile_term(struct compiler *c, const struct tree *node, struct term *out);
/* All of a list of constants and terms. */
bool compile_terms(struct compiler *c, const struct tree *node, struct term **out, size_t *count,
                   bool *null_list);

struct expr *compile_condition(struct compiler *c, const struct tree *node);

/* `(select x)`: x, or NULL if it is any other subselect. */
const struct tree *compile_unwrap(const struct tree *sublink);
/* Whether the node has no field beside those named (separated by spaces) that says anything. */
bool compile_knows(const struct tree *node, const char *fields);
#define COMPILE_OPERATOR_FIELDS "opno opfuncid opresulttype opcollid inputcollid args"

#endif
