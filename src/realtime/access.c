#include "realtime/access.h"

#include "base/mem.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* The bytes of a Datum lie in the order of the server's processor. */
static bool is_little_endian(const char *version)
{
    static const char *const machines[] = {" on x86_64-", " on aarch64-", " on arm64-",
                                           " on powerpc64le-", " on riscv64-"};

    for (size_t i = 0; version && i < sizeof(machines) / sizeof(machines[0]); i++)
        if (strstr(version, machines[i]))
            return true;
    return false;
}

static struct str text_of(const json_t *value)
{
    return str_from(json_is_string(value) ? json_string_value(value) : "",
                    json_string_length(value));
}

/* jsonb_build_array() writes an oid as a string. */
static uint32_t oid_of(const json_t *value)
{
    uint64_t oid = 0;

    if (json_is_integer(value))
        oid = (uint64_t)json_integer_value(value);
    else if (!str_to_u64(text_of(value), &oid))
        return 0;
    return oid <= UINT32_MAX ? (uint32_t)oid : 0;
}

static const json_t *list_of(const json_t *facts, const char *key, size_t *count)
{
    const json_t *list = json_object_get(facts, key);

    *count = json_array_size(list);
    return list;
}

static void read_columns(const json_t *facts, struct policy_facts *out)
{
    const json_t *list = list_of(facts, "columns", &out->column_count);

    out->columns = mem_array(out->column_count, sizeof(*out->columns));
    for (size_t i = 0; i < out->column_count; i++) {
        const json_t *item = json_array_get(list, i);

        out->columns[i] =
            (struct policy_column){.number = (int)json_integer_value(json_array_get(item, 0)),
                                   .name = text_of(json_array_get(item, 1)),
                                   .type = oid_of(json_array_get(item, 2)),
                                   .base = oid_of(json_array_get(item, 3))};
    }
}

static void read_labels(const json_t *facts, struct policy_facts *out)
{
    const json_t *list = list_of(facts, "labels", &out->label_count);

    out->labels = mem_array(out->label_count, sizeof(*out->labels));
    for (size_t i = 0; i < out->label_count; i++) {
        const json_t *item = json_array_get(list, i);

        out->labels[i] =
            (struct policy_label){oid_of(json_array_get(item, 0)), oid_of(json_array_get(item, 1)),
                                  text_of(json_array_get(item, 2))};
    }
}

static void read_functions(const json_t *facts, struct policy_facts *out)
{
    const json_t *list = list_of(facts, "functions", &out->function_count);

    out->functions = mem_array(out->function_count, sizeof(*out->functions));
    for (size_t i = 0; i < out->function_count; i++) {
        const json_t *item = json_array_get(list, i);

        out->functions[i] = (struct policy_function){oid_of(json_array_get(item, 0)),
                                                     oid_of(json_array_get(item, 1)),
                                                     text_of(json_array_get(item, 2))};
    }
}

static void read_collations(const json_t *facts, struct policy_facts *out)
{
    const json_t *list = list_of(facts, "nondeterministic", &out->nondeterministic_count);

    out->nondeterministic = mem_array(out->nondeterministic_count, sizeof(*out->nondeterministic));
    for (size_t i = 0; i < out->nondeterministic_count; i++)
        out->nondeterministic[i] = oid_of(json_array_get(list, i));
}

static void read_clauses(const json_t *facts, struct policy_facts *out)
{
    const json_t *list = list_of(facts, "policies", &out->clause_count);

    out->clauses = mem_array(out->clause_count, sizeof(*out->clauses));
    for (size_t i = 0; i < out->clause_count; i++) {
        const json_t *item = json_array_get(list, i);
        struct policy_clause *clause = &out->clauses[i];
        const json_t *columns = list_of(item, "columns", &clause->column_count);

        clause->permissive = json_is_true(json_object_get(item, "permissive"));
        clause->whole_row = !json_is_false(json_object_get(item, "whole_row"));
        clause->qual = text_of(json_object_get(item, "qual"));
        clause->columns = mem_array(clause->column_count, sizeof(*clause->columns));
        for (size_t k = 0; k < clause->column_count; k++)
            clause->columns[k] = (int)json_integer_value(json_array_get(columns, k));
    }
}

static struct policy *compile(const json_t *facts)
{
    struct policy_facts out = {
        .little_endian = is_little_endian(json_string_value(json_object_get(facts, "machine"))),
        .plain = json_is_true(json_object_get(facts, "plain"))};
    struct policy *policy;

    read_columns(facts, &out);
    read_labels(facts, &out);
    read_functions(facts, &out);
    read_collations(facts, &out);
    read_clauses(facts, &out);
    policy = policy_compile(&out);
    for (size_t i = 0; i < out.clause_count; i++)
        free(out.clauses[i].columns);
    free(out.columns);
    free(out.labels);
    free(out.functions);
    free(out.nondeterministic);
    free(out.clauses);
    return policy;
}

static enum access_kind kind_of(const json_t *facts)
{
    if (!json_is_null(json_object_get(facts, "refused")) ||
        !json_is_boolean(json_object_get(facts, "readable")) ||
        !json_is_boolean(json_object_get(facts, "judged")))
        return ACCESS_ASK;
    if (json_is_false(json_object_get(facts, "readable")))
        return ACCESS_NONE;
    return json_is_true(json_object_get(facts, "judged")) ? ACCESS_JUDGED : ACCESS_ALL;
}

static const struct {
    const char *name;
    enum change_kind kind;
} change_names[] = {
    {"INSERT", CHANGE_INSERT}, {"UPDATE", CHANGE_UPDATE}, {"DELETE", CHANGE_DELETE}};

static bool read_sent(const json_t *list, unsigned *out)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        for (size_t k = 0; k < sizeof(change_names) / sizeof(change_names[0]); k++)
            if (str_eq(text_of(json_array_get(list, i)), str_c(change_names[k].name)))
                *out |= 1u << change_names[k].kind;
    return json_is_array(list);
}

static void read_facts(struct table_access *access, const json_t *facts)
{
    const json_t *hidden = json_object_get(facts, "hidden");

    access->rls = !json_is_false(json_object_get(facts, "rls"));
    access->kind = kind_of(facts);
    if ((!json_is_null(hidden) && !names_read(hidden, &access->hidden)) ||
        !read_sent(json_object_get(facts, "sent"), &access->sent))
        access->kind = ACCESS_ASK;
    if (access->kind == ACCESS_JUDGED)
        access->policy = compile(facts);
}

struct table_access *access_read(struct str facts)
{
    struct table_access *access = mem_alloc(sizeof(*access));
    json_t *json;

    access->refs = 1;
    access->rls = true;
    access->kind = ACCESS_NONE;
    if (facts.len == 0)
        return access;
    access->kind = ACCESS_ASK;
    json = json_loadb(facts.data, facts.len, 0, NULL);
    if (json_is_object(json))
        read_facts(access, json);
    json_decref(json);
    return access;
}

struct table_access *access_ref(struct table_access *access)
{
    access->refs++;
    return access;
}

void access_unref(struct table_access *access)
{
    if (!access || --access->refs > 0)
        return;
    names_fini(&access->hidden);
    policy_free(access->policy);
    free(access);
}
