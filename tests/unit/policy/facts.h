/* The catalog of an imaginary table, whose rows are of all types that are ours. */
#ifndef PGHERALD_TESTS_FACTS_H
#define PGHERALD_TESTS_FACTS_H

#include "nodes.h"
#include "policy/facts.h"
#include "unit.h"

#define OID_MOOD 16389
#define OID_UID 16394   /* a domain over uuid */
#define OID_OTHER 16400 /* a type that is nobody's */

#define UID_SOURCE                                                                                 \
    "\n  select coalesce(\n    nullif(current_setting('request.jwt.claim.sub', true), ''),\n"      \
    "    (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')\n  )::uuid\n"
#define JWT_SOURCE                                                                                 \
    "select coalesce(nullif(current_setting('request.jwt.claim', true), ''), "                     \
    "nullif(current_setting('request.jwt.claims', true), ''))::jsonb"

/* With these clauses. */
static inline struct policy_facts fixture_facts(struct policy_clause *clauses, size_t count)
{
    static struct policy_column columns[] = {
        {1, STR("id"), 23, 0},        {2, STR("u"), 2950, 0},     {3, STR("v"), 1043, 0},
        {4, STR("t"), 25, 0},         {5, STR("b"), 16, 0},       {6, STR("n"), 1700, 0},
        {7, STR("i8"), 20, 0},        {8, STR("m"), OID_MOOD, 0}, {9, STR("at"), 1184, 0},
        {10, STR("d"), 1082, 0},      {11, STR("ts"), 1114, 0},   {12, STR("uu"), OID_UID, 2950},
        {13, STR("o"), OID_OTHER, 0}, {14, STR("u2"), 2950, 0},   {15, STR("i2"), 21, 0},
    };
    static struct policy_label labels[] = {{16390, OID_MOOD, STR("sad")},
                                           {16391, OID_MOOD, STR("ok")}};
    static struct policy_function functions[] = {{16386, 2950, STR(UID_SOURCE)},
                                                 {16387, 3802, STR(JWT_SOURCE)},
                                                 {16388, 2950, STR("select gen_random_uuid()")}};
    static uint32_t nondeterministic[] = {16500};

    return (struct policy_facts){.columns = columns,
                                 .column_count = COUNT(columns),
                                 .labels = labels,
                                 .label_count = COUNT(labels),
                                 .functions = functions,
                                 .function_count = COUNT(functions),
                                 .nondeterministic = nondeterministic,
                                 .nondeterministic_count = 1,
                                 .clauses = clauses,
                                 .clause_count = count,
                                 .little_endian = true,
                                 .plain = true};
}

#endif
