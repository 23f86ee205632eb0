/* What the catalog says of a table's policies for one role: pgherald.realtime_policies(). Borrowed
 * by whoever compiles it. */
#ifndef PGHERALD_POLICY_FACTS_H
#define PGHERALD_POLICY_FACTS_H

#include "base/str.h"

struct policy_column {
    int number; /* attnum */
    struct str name;
    uint32_t type;
    uint32_t base; /* of a domain, else 0 */
};

/* A value of an enum. */
struct policy_label {
    uint32_t oid, type;
    struct str text;
};

/* Plain SQL without arguments that the role may execute. */
struct policy_function {
    uint32_t oid, result;
    struct str source;
};

struct policy_clause {
    bool permissive;
    bool whole_row;  /* it looks at the row as a whole */
    struct str qual; /* pg_policy.polqual */
    int *columns;    /* the attnums that it looks at */
    size_t column_count;
};

struct policy_facts {
    struct policy_column *columns;
    size_t column_count;
    struct policy_label *labels;
    size_t label_count;
    struct policy_function *functions;
    size_t function_count;
    uint32_t *nondeterministic; /* collations */
    size_t nondeterministic_count;
    struct policy_clause *clauses;
    size_t clause_count;
    bool little_endian; /* the server; else constants cannot be read */
    bool plain;         /* nothing gets between auth.uid() and the setting request.jwt.claims */
};

/* NULL if there is none. */
const struct policy_column *facts_column(const struct policy_facts *facts, int64_t number);
const struct policy_label *facts_label(const struct policy_facts *facts, uint64_t oid);
const struct policy_function *facts_function(const struct policy_facts *facts, int64_t oid);
bool facts_is_enum(const struct policy_facts *facts, uint32_t type);
bool facts_has_label(const struct policy_facts *facts, uint32_t type, struct str text);
bool facts_is_deterministic(const struct policy_facts *facts, int64_t collation);

#endif
