/* A policy as the catalog has it, behind a line of claims and a line with the value of the columns:
 * what comes of it for a row and a session, and whether the index would have found the session. */
#include "fuzz.h"

#include "../unit/policy/facts.h"
#include "policy/policy.h"

#define MAX_COLUMNS 16

static size_t make_row(const struct policy_facts *facts, struct str value, struct column *out)
{
    for (size_t i = 0; i < facts->column_count; i++)
        out[i] = (struct column){.name = facts->columns[i].name,
                                 .type = facts->columns[i].type,
                                 .form = value.len ? VALUE_ESCAPED : VALUE_NULL,
                                 .value = value};
    return facts->column_count;
}

/* Who is not filed under the row's value may not read the row, nor have to ask. */
static bool is_found(const struct policy *policy, const struct policy_row *row,
                     const struct policy_session *session)
{
    unsigned keys = policy_keys_for(policy, row);
    uint64_t filed, wanted;

    for (size_t key = 0; key < policy_key_count(policy); key++) {
        if (!(keys & 1u << key))
            continue;
        switch (policy_session_key(policy, session, key, &filed)) {
        case POLICY_ALWAYS:
            return true;
        case POLICY_FILED:
            if (policy_row_key(policy, row, key, &wanted) && wanted == filed)
                return true;
            break;
        case POLICY_NOWHERE:
            break;
        }
    }
    return keys == 0;
}

static void try_row(const struct policy *policy, const struct policy_facts *facts, struct str value,
                    struct str claims, struct str qual)
{
    struct policy_session *session = policy_bind(policy, claims);
    struct column columns[MAX_COLUMNS];
    struct policy_row row;
    enum policy_verdict verdict;

    policy_row_init(&row, policy, (struct columns){columns, make_row(facts, value, columns)},
                    (struct columns){0});
    verdict = policy_judge(policy, &row, session);
    if (verdict == POLICY_YES || verdict == POLICY_ASK)
        REQUIRE(is_found(policy, &row, session), qual);
    if (verdict == POLICY_YES)
        REQUIRE(policy_is_clear(policy), qual);
    policy_row_fini(&row);
    policy_session_free(session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = input_text(data, size), claims, value;
    struct policy_clause clauses[2] = {{.permissive = true}, {.permissive = false}};
    struct policy_facts facts;
    struct policy *policy;

    str_split(rest, '\n', &claims, &rest);
    str_split(rest, '\n', &value, &rest);
    str_split(rest, '\n', &clauses[0].qual, &clauses[1].qual);
    facts = fixture_facts(clauses, clauses[1].qual.len ? 2 : 1);
    policy = policy_compile(&facts);
    try_row(policy, &facts, value, claims, rest);
    try_row(policy, &facts, STR(""), claims, rest);
    policy_free(policy);
    return 0;
}
