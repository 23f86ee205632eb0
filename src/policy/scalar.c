#include "policy/scalar.h"

#include "base/mem.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

struct claims {
    struct str text;
    json_t *document; /* NULL: not understood */
};

/* A json or jsonb value: KNOWN, NULL or UNSURE. */
struct document {
    enum datum_state state;
    const json_t *json;
    bool as_written; /* json keeps the digits of a number as they are */
};

struct claims *claims_open(struct str text)
{
    struct claims *claims = mem_alloc(sizeof(*claims));

    claims->text = text;
    claims->document = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
    return claims;
}

void claims_close(struct claims *claims)
{
    json_decref(claims->document);
    free(claims);
}

static struct document step_into(struct document from, struct str key)
{
    if (from.state != DATUM_KNOWN)
        return from;
    if (json_is_array(from.json))
        return (struct document){.state = DATUM_UNSURE}; /* an index, in some forms */
    from.json = json_object_getn(from.json, key.data, key.len);
    from.state = from.json ? DATUM_KNOWN : DATUM_NULL;
    return from;
}

static struct document find_document(const struct scalar *scalar, const struct claims *claims)
{
    struct document found = {claims->document ? DATUM_KNOWN : DATUM_UNSURE, claims->document,
                             scalar->type == TYPE_OID_JSON};

    if (scalar->kind == SCALAR_CLAIMS)
        return found;
    found = find_document(scalar->left, claims);
    for (size_t i = 0; i < scalar->path_len; i++)
        found = step_into(found, scalar->path[i]);
    return found;
}

/* ->> and #>>: a string without its quotes, everything else as PostgreSQL would print it, where
 * that is beyond doubt. */
static struct datum text_of(struct document from, struct arena *arena)
{
    char digits[32];

    if (from.state != DATUM_KNOWN)
        return (struct datum){.state = from.state};
    switch (json_typeof(from.json)) {
    case JSON_STRING:
        return (struct datum){.text = arena_str(arena, str_from(json_string_value(from.json),
                                                                json_string_length(from.json)))};
    case JSON_INTEGER:
        if (from.as_written)
            break;
        snprintf(digits, sizeof(digits), "%" PRId64, (int64_t)json_integer_value(from.json));
        return (struct datum){.text = arena_str(arena, str_c(digits))};
    case JSON_TRUE:
        return (struct datum){.text = STR("true")};
    case JSON_FALSE:
        return (struct datum){.text = STR("false")};
    case JSON_NULL:
        return (struct datum){.state = DATUM_NULL};
    case JSON_REAL:
    case JSON_OBJECT:
    case JSON_ARRAY:
        break;
    }
    return (struct datum){.state = DATUM_UNSURE};
}

static struct datum cast(const struct scalar *scalar, struct datum text)
{
    if (text.state != DATUM_KNOWN)
        return text;
    return datum_cast(scalar->type, scalar->class, text.text);
}

/* NULLIF(a, b) is a unless they are equal; b is looked at in any case. */
static struct datum null_if(const struct scalar *scalar, const struct claims *claims,
                            struct arena *arena)
{
    struct datum left = scalar_value(scalar->left, claims, arena);
    struct datum right = scalar_value(scalar->right, claims, arena);

    if (left.state == DATUM_RAISES || right.state == DATUM_RAISES)
        return (struct datum){.state = DATUM_RAISES};
    if (left.state == DATUM_UNSURE || right.state == DATUM_UNSURE)
        return (struct datum){.state = DATUM_UNSURE};
    if (left.state == DATUM_KNOWN && right.state == DATUM_KNOWN &&
        datum_compare(scalar->class, &left, &right) == 0)
        left.state = DATUM_NULL;
    return left;
}

struct datum scalar_value(const struct scalar *scalar, const struct claims *claims,
                          struct arena *arena)
{
    struct datum value;

    switch (scalar->kind) {
    case SCALAR_CONSTANT:
        return scalar->value;
    case SCALAR_SETTING:
        return (struct datum){.text = claims->text};
    case SCALAR_FIELD:
        return text_of(find_document(scalar, claims), arena);
    case SCALAR_CAST:
        return cast(scalar, scalar_value(scalar->left, claims, arena));
    case SCALAR_COALESCE:
        value = scalar_value(scalar->left, claims, arena);
        return value.state == DATUM_NULL ? scalar_value(scalar->right, claims, arena) : value;
    case SCALAR_NULLIF:
        return null_if(scalar, claims, arena);
    case SCALAR_CLAIMS:
        break; /* has no single value */
    }
    return (struct datum){.state = DATUM_UNSURE};
}
