#include "policy/policy.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "policy/compile.h"
#include "row/value.h"

struct policy_session {
    struct arena arena;
    struct datum *values;
};

bool policy_is_clear(const struct policy *policy)
{
    return policy->clear;
}

struct policy_session *policy_bind(const struct policy *policy, struct str claims)
{
    struct policy_session *session = mem_alloc(sizeof(*session));
    struct claims *opened;

    arena_init(&session->arena);
    session->values = arena_array(&session->arena, policy->session_count, sizeof(struct datum));
    if (policy->session_count == 0)
        return session;
    opened = claims_open(claims);
    for (size_t i = 0; i < policy->session_count; i++)
        session->values[i] = scalar_value(policy->session[i], opened, &session->arena);
    claims_close(opened);
    return session;
}

void policy_session_free(struct policy_session *session)
{
    if (!session)
        return;
    arena_fini(&session->arena);
    free(session);
}

bool policy_is_carried(const struct column *column)
{
    if (column->form != VALUE_NULL)
        return column->form != VALUE_LOST;
    return column->type != TYPE_OID_NUMERIC && column->type != TYPE_OID_FLOAT4 &&
           column->type != TYPE_OID_FLOAT8;
}

static const struct column *find(struct columns record, struct columns rest, struct str name)
{
    const struct column *column = columns_find(record, name);

    return column ? column : columns_find(rest, name);
}

/* The text without JSON's escapes. */
static struct str plain_text(struct policy_row *row, const struct column *column)
{
    struct str text = column->value;
    struct buf plain;

    if (column->form != VALUE_ESCAPED || !memchr(text.data, '\\', text.len))
        return text;
    buf_init(&plain, text.len);
    value_add_text(&plain, column);
    text = arena_str(&row->arena, buf_str(&plain));
    buf_fini(&plain);
    return text;
}

static bool is_label(const struct row_slot *slot, struct str text)
{
    for (size_t i = 0; i < slot->label_count; i++)
        if (str_eq(slot->labels[i], text))
            return true;
    return false;
}

static struct datum read_slot(struct policy_row *row, const struct row_slot *slot,
                              const struct column *column)
{
    struct datum datum = {.state = DATUM_UNSURE};

    if (!column || column->type != slot->type)
        return datum;
    if (!policy_is_carried(column)) {
        datum.state = DATUM_ODD;
        return datum;
    }
    datum.state = column->form == VALUE_NULL ? DATUM_NULL : DATUM_KNOWN;
    if (datum.state == DATUM_NULL || slot->class == CLASS_NONE)
        return datum;
    datum = datum_read(slot->class, plain_text(row, column));
    if (slot->labels && !is_label(slot, datum.text))
        datum.state = DATUM_UNSURE; /* it was renamed; also where its text is what counts */
    return datum;
}

void policy_row_init(struct policy_row *row, const struct policy *policy, struct columns record,
                     struct columns rest)
{
    arena_init(&row->arena);
    row->values = arena_array(&row->arena, policy->row_count, sizeof(*row->values));
    row->lacks = false;
    for (size_t i = 0; i < policy->row_count; i++)
        row->values[i] = read_slot(row, &policy->row[i], find(record, rest, policy->row[i].column));
    for (size_t i = 0; i < policy->column_count && !row->lacks; i++)
        row->lacks = !find(record, rest, policy->columns[i]);
}

void policy_row_fini(struct policy_row *row)
{
    arena_fini(&row->arena);
}

/* YES only if nothing at all is in doubt: another part of the policy might raise an error, and then
 * PostgreSQL says no. NO also where parts are not understood, as long as they cannot change it. */
enum policy_verdict policy_judge(const struct policy *policy, const struct policy_row *row,
                                 const struct policy_session *session)
{
    const struct expr_values values = {row->values, session->values, 0};
    unsigned outcome = expr_evaluate(policy->condition, &values);

    if (!(outcome & OUTCOME_TRUE))
        return outcome == OUTCOME_RAISES ? POLICY_RAISES : POLICY_NO;
    return outcome == OUTCOME_TRUE && policy->clear ? POLICY_YES : POLICY_ASK;
}

size_t policy_key_count(const struct policy *policy)
{
    return policy->key_count;
}

enum policy_filing policy_session_key(const struct policy *policy,
                                      const struct policy_session *session, size_t key,
                                      uint64_t *out)
{
    const struct datum *value = &session->values[policy->keys[key].session];

    switch (value->state) {
    case DATUM_KNOWN:
        *out = datum_key(policy->keys[key].class, value);
        return POLICY_FILED;
    case DATUM_NULL:
        return POLICY_NOWHERE;
    case DATUM_UNSURE:
    case DATUM_ODD:
    case DATUM_RAISES:
        break;
    }
    return POLICY_ALWAYS;
}

static bool can_be_true(const struct policy *policy, const struct policy_row *row, unsigned unequal)
{
    const struct expr_values values = {row->values, NULL, unequal};

    return expr_evaluate(policy->condition, &values) & OUTCOME_TRUE;
}

unsigned policy_keys_for(const struct policy *policy, const struct policy_row *row)
{
    unsigned usable = 0;

    for (size_t key = 0; key < policy->key_count; key++) {
        enum datum_state state = row->values[policy->keys[key].row].state;

        if (state == DATUM_UNSURE || state == DATUM_ODD)
            continue;
        usable |= 1u << key;
        if (!can_be_true(policy, row, 1u << key))
            return 1u << key;
    }
    return usable && !can_be_true(policy, row, usable) ? usable : 0;
}

bool policy_row_key(const struct policy *policy, const struct policy_row *row, size_t key,
                    uint64_t *out)
{
    const struct datum *value = &row->values[policy->keys[key].row];

    if (value->state != DATUM_KNOWN)
        return false;
    *out = datum_key(policy->keys[key].class, value);
    return true;
}
