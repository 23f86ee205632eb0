#include "policy/facts.h"

const struct policy_column *facts_column(const struct policy_facts *facts, int64_t number)
{
    for (size_t i = 0; i < facts->column_count; i++)
        if (facts->columns[i].number == number)
            return &facts->columns[i];
    return NULL;
}

const struct policy_label *facts_label(const struct policy_facts *facts, uint64_t oid)
{
    for (size_t i = 0; i < facts->label_count; i++)
        if (facts->labels[i].oid == oid)
            return &facts->labels[i];
    return NULL;
}

const struct policy_function *facts_function(const struct policy_facts *facts, int64_t oid)
{
    for (size_t i = 0; i < facts->function_count; i++)
        if (facts->functions[i].oid == oid)
            return &facts->functions[i];
    return NULL;
}

bool facts_is_enum(const struct policy_facts *facts, uint32_t type)
{
    for (size_t i = 0; i < facts->label_count; i++)
        if (facts->labels[i].type == type)
            return true;
    return false;
}

bool facts_has_label(const struct policy_facts *facts, uint32_t type, struct str text)
{
    for (size_t i = 0; i < facts->label_count; i++)
        if (facts->labels[i].type == type && str_eq(facts->labels[i].text, text))
            return true;
    return false;
}

bool facts_is_deterministic(const struct policy_facts *facts, int64_t collation)
{
    for (size_t i = 0; i < facts->nondeterministic_count; i++)
        if (facts->nondeterministic[i] == collation)
            return false;
    return collation > 0;
}
