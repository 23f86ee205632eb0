#include "row/template.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "row/value.h"

enum part_kind {
    PART_LITERAL,
    PART_NEW,
    PART_OLD,
    PART_TABLE,
    PART_SCHEMA,
    PART_EVENT,
    PART_COMMIT_LSN
};

struct part {
    enum part_kind kind;
    struct str text; /* the literal, or the column's name; points into the template's copy */
};

struct template
{
    char *text;
    struct part *parts;
    size_t count;
};

#define ALLOWED "{{new.column}}, {{old.column}}, {{table}}, {{schema}}, {{event}}, {{commit_lsn}}"

static void add_part(struct template *t, enum part_kind kind, struct str text)
{
    t->parts = mem_grow(t->parts, t->count + 1, sizeof(*t->parts));
    t->parts[t->count++] = (struct part){kind, text};
}

/* The inside of the braces, without the white space around it. */
static bool parse_placeholder(struct str s, struct part *part)
{
    static const struct {
        struct str word;
        enum part_kind kind;
    } words[] = {{STR("table"), PART_TABLE},
                 {STR("schema"), PART_SCHEMA},
                 {STR("event"), PART_EVENT},
                 {STR("commit_lsn"), PART_COMMIT_LSN}};
    struct str row, column;

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (str_eq(s, words[i].word)) {
            *part = (struct part){words[i].kind, {0}};
            return true;
        }
    }
    if (!str_split(s, '.', &row, &column) || column.len == 0)
        return false;
    *part = (struct part){str_eq(row, STR("new")) ? PART_NEW : PART_OLD, column};
    return part->kind == PART_NEW || str_eq(row, STR("old"));
}

/* The first two of the same byte in a row, or NULL. */
static const char *find_double(struct str s, char c)
{
    for (size_t i = 0; i + 1 < s.len; i++)
        if (s.data[i] == c && s.data[i + 1] == c)
            return s.data + i;
    return NULL;
}

static enum result parse_parts(struct template *t, struct str rest, struct err *err)
{
    while (rest.len > 0) {
        const char *open = find_double(rest, '{');
        const char *close;
        struct str inside;
        struct part part;

        if (!open) {
            add_part(t, PART_LITERAL, rest);
            return OK;
        }
        if (open > rest.data)
            add_part(t, PART_LITERAL, str_from(rest.data, (size_t)(open - rest.data)));
        rest = str_from(open, rest.len - (size_t)(open - rest.data));
        close = find_double(rest, '}');
        if (!close)
            return err_set(err, "\"%.*s\" in the template is not closed by }}",
                           rest.len > 40 ? 40 : (int)rest.len, rest.data);
        inside = str_trim(str_from(open + 2, (size_t)(close - open) - 2));
        if (!parse_placeholder(inside, &part))
            return err_set(err, "unknown placeholder {{%.*s}} in the template; allowed: " ALLOWED,
                           inside.len > 80 ? 80 : (int)inside.len, inside.data);
        add_part(t, part.kind, part.text);
        rest = str_from(close + 2, rest.len - (size_t)(close + 2 - open));
    }
    return OK;
}

enum result template_parse(struct str text, struct template **out, struct err *err)
{
    struct template *t;

    *out = NULL;
    if (text.len > TEMPLATE_MAX_BYTES)
        return err_set(err, "a template has at most %d bytes, this one %zu", TEMPLATE_MAX_BYTES,
                       text.len);
    t = mem_alloc(sizeof(*t));
    t->text = str_dup(text);
    if (parse_parts(t, str_from(t->text, text.len), err) != OK) {
        template_free(t);
        return FAILED;
    }
    *out = t;
    return OK;
}

void template_free(struct template *t)
{
    if (!t)
        return;
    free(t->parts);
    free(t->text);
    free(t);
}

/* Text of ours, which needs escaping inside a JSON string literal. */
static void add_plain(struct buf *out, struct str s, bool json)
{
    if (json)
        json_add_escaped(out, s);
    else
        buf_add_str(out, s);
}

static void add_value(struct buf *out, const struct column *column, bool json)
{
    if (!column || column->form == VALUE_NULL)
        return;
    if (!json)
        value_add_text(out, column);
    else if (column->form == VALUE_TEXT)
        json_add_escaped(out, column->value);
    else
        buf_add_str(out, column->value); /* a literal, or escaped already */
}

static void add_event(struct buf *out, const struct change *change, bool json)
{
    if (!str_eq(change->schema, STR("public"))) {
        add_plain(out, change->schema, json);
        buf_add_char(out, '.');
    }
    add_plain(out, change->table, json);
    buf_add_char(out, '.');
    buf_add_str(out, change_verb(change->kind));
}

/* There is no new row after a DELETE, as in a trigger. */
static const struct column *new_column(const struct change *change, struct str name)
{
    return change->kind == CHANGE_DELETE ? NULL : change_current(change, name);
}

static void render(struct buf *out, const struct template *t, const struct change *change,
                   bool json)
{
    char lsn[LSN_TEXT];

    for (size_t i = 0; i < t->count; i++) {
        const struct part *part = &t->parts[i];

        switch (part->kind) {
        case PART_LITERAL:
            buf_add_str(out, part->text);
            break;
        case PART_NEW:
            add_value(out, new_column(change, part->text), json);
            break;
        case PART_OLD:
            add_value(out, columns_find(change->identity, part->text), json);
            break;
        case PART_TABLE:
            add_plain(out, change->table, json);
            break;
        case PART_SCHEMA:
            add_plain(out, change->schema, json);
            break;
        case PART_EVENT:
            add_event(out, change, json);
            break;
        case PART_COMMIT_LSN:
            buf_add_c(out, lsn_format(change->commit_lsn, lsn));
            break;
        }
    }
}

void template_render(struct buf *out, const struct template *t, const struct change *change)
{
    render(out, t, change, false);
}

void template_render_json(struct buf *out, const struct template *t, const struct change *change)
{
    render(out, t, change, true);
}
