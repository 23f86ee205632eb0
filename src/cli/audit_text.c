/* What pgherald audit writes, as texts. */
#include <stdlib.h>
#include <string.h>

#include "cli/audit.h"
#include "cli/table.h"

#define GREEN "\033[32m"
#define RED "\033[31m"
#define PLAIN "\033[0m"

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static void add_named(struct buf *out, const char *before, const json_t *object, const char *key)
{
    const char *text = text_of(object, key);

    if (!text)
        return;
    buf_add_c(out, before);
    table_add_shown(out, str_c(text));
}

/* ---------------------------------------------------------------- versions */

static void add_side(struct buf *out, const char *name, const char *value, char sign, bool colour)
{
    if (!value)
        return;
    if (colour)
        buf_add_c(out, sign == '+' ? GREEN : RED);
    buf_addf(out, "  %c ", sign);
    table_add_shown(out, str_c(name));
    buf_add_c(out, ": ");
    table_add_shown(out, str_c(value));
    if (colour)
        buf_add_c(out, PLAIN);
    buf_add_char(out, '\n');
}

void audit_add_version(struct buf *out, const json_t *version, bool colour)
{
    const char *old_key = text_of(version, "old_key");
    const char *new_key = text_of(version, "new_key");
    json_t *diff = json_object_get(version, "diff"), *sides;
    const char *name;

    buf_addf(out, "version %lld",
             (long long)json_integer_value(json_object_get(version, "version")));
    add_named(out, "  ", version, "time");
    add_named(out, "  ", version, "action");
    add_named(out, "  by ", version, "user_id");
    add_named(out, "  from ", version, "address");
    if (old_key && new_key && strcmp(old_key, new_key) != 0) {
        add_named(out, "  key ", version, "old_key");
        add_named(out, " to ", version, "new_key");
    }
    buf_add_char(out, '\n');
    json_object_foreach(diff, name, sides)
    {
        add_side(out, name, text_of(sides, "old"), '-', colour);
        add_side(out, name, text_of(sides, "new"), '+', colour);
    }
}

/* ---------------------------------------------------------------- steps */

void audit_add_step(struct buf *out, const json_t *step)
{
    const char *statement = text_of(step, "statement");

    buf_addf(out, "\n-- %lld.", (long long)json_integer_value(json_object_get(step, "place")));
    add_named(out, " ", step, "action");
    add_named(out, " of ", step, "table");
    add_named(out, " ", step, "key");
    add_named(out, " at ", step, "time");
    buf_addf(out, ", xid %lld\n", (long long)json_integer_value(json_object_get(step, "xid")));
    if (text_of(step, "problem")) {
        add_named(out, "-- CANNOT BE UNDONE: ", step, "problem");
        buf_add_char(out, '\n');
    }
    if (text_of(step, "conflict")) {
        add_named(out, "-- CONFLICT: ", step, "conflict");
        buf_add_char(out, '\n');
    }
    if (text_of(step, "remark")) {
        add_named(out, "-- note: ", step, "remark");
        buf_add_char(out, '\n');
    }
    if (statement)
        buf_addf(out, "%s;\n", statement);
}

/* ---------------------------------------------------------------- CSV */

void audit_add_csv(struct buf *out, const char *text)
{
    if (!text)
        return;
    if (text[0] && !strpbrk(text, ",\"\r\n")) {
        buf_add_c(out, text);
        return;
    }
    buf_add_char(out, '"');
    for (; *text; text++) {
        if (*text == '"')
            buf_add_char(out, '"');
        buf_add_char(out, *text);
    }
    buf_add_char(out, '"');
}
