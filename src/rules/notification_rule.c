#include "rules/notification_rule.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"

#define MAX_TITLE_BYTES 4096
#define MAX_TEXT_BYTES 65536
#define MAX_RENDER_BYTES ((size_t)1 << 30) /* before it is cut: a value may be as long as that */

/* `memories` means public.memories. */
static char *full_name(struct str table_name)
{
    struct str schema, table;
    struct buf name;
    char *out;

    if (str_split(table_name, '.', &schema, &table))
        return str_dup(table_name);
    buf_init(&name, MAX_TITLE_BYTES);
    buf_add_c(&name, "public.");
    buf_add_str(&name, table_name);
    out = str_dup(buf_str(&name));
    buf_fini(&name);
    return out;
}

static char *text_or_null(const struct rule_row *row, const char *column)
{
    struct str text = rule_row_text(row, column);

    return text.len ? str_dup(text) : NULL;
}

static enum result parse_template(const struct rule_row *row, const char *column,
                                  struct template **out, struct err *err)
{
    struct str text = rule_row_text(row, column);

    *out = NULL;
    if (text.len == 0)
        return OK;
    if (template_parse(text, out, err) != OK)
        return err_context(err, "column %s", column);
    return OK;
}

static enum result parse_data(const struct rule_row *row, struct template **out, struct err *err)
{
    char *json = rule_row_json(row, "data");
    enum result result = OK;

    *out = NULL;
    if (json && template_parse(str_c(json), out, err) != OK)
        result = err_context(err, "column data");
    free(json);
    return result;
}

static enum result parse_fields(const struct rule_row *row, struct notification_rule *rule,
                                struct err *err)
{
    if (rule_row_list(row, "events", &rule->events, err) != OK ||
        parse_template(row, "title", &rule->title, err) != OK ||
        parse_template(row, "message", &rule->message, err) != OK ||
        parse_template(row, "dedupe_key", &rule->dedupe_key, err) != OK ||
        parse_data(row, &rule->data, err) != OK)
        return FAILED;
    if (predicate_parse(rule_row_text(row, "condition"), &rule->condition, err) != OK)
        return err_context(err, "column condition");
    if (!rule->title)
        return err_set(err, "column title: a notification needs a title");
    if (rule->recipient[0] == '\0')
        return err_set(err, "column recipient: name the column that holds the user's id");
    return OK;
}

enum result notification_rule_parse(const struct rule_row *row, struct notification_rule **out,
                                    struct err *err)
{
    struct notification_rule *rule = mem_alloc(sizeof(*rule));

    *out = NULL;
    rule->id = str_dup(rule_row_text(row, "id"));
    rule->name = str_dup(rule_row_text(row, "name"));
    rule->resource = full_name(rule_row_text(row, "table_name"));
    rule->recipient = str_dup(rule_row_text(row, "recipient"));
    rule->type = text_or_null(row, "type");
    rule->priority = text_or_null(row, "priority");
    rule->expires_in = text_or_null(row, "expires_in");
    rule->is_active = rule_row_bool(row, "is_active", true);
    if (parse_fields(row, rule, err) != OK) {
        notification_rule_free(rule);
        return FAILED;
    }
    *out = rule;
    return OK;
}

void notification_rule_free(struct notification_rule *rule)
{
    if (!rule)
        return;
    rule_list_fini(&rule->events);
    predicate_free(rule->condition);
    template_free(rule->title);
    template_free(rule->message);
    template_free(rule->data);
    template_free(rule->dedupe_key);
    free(rule->id);
    free(rule->name);
    free(rule->resource);
    free(rule->recipient);
    free(rule->type);
    free(rule->priority);
    free(rule->expires_in);
    free(rule);
}

bool notification_rule_wants(const struct notification_rule *rule, struct str resource,
                             enum change_kind kind)
{
    return rule->is_active && str_eq(str_c(rule->resource), resource) && kind != CHANGE_TRUNCATE &&
           rule_list_has(&rule->events, change_verb(kind));
}

bool notification_rule_recipient(const struct notification_rule *rule, const struct change *change,
                                 struct str *user_id, bool *misfit)
{
    const struct column *column = change_current(change, str_c(rule->recipient));
    uint8_t ignored[16];

    *misfit = false;
    if (!column || column->form == VALUE_NULL)
        return false;
    *user_id = column->value;
    *misfit = !str_to_uuid(column->value, ignored);
    return !*misfit;
}

static void add_rendered(struct buf *out, const char *key, const struct template *template,
                         const struct change *change, size_t max)
{
    struct buf text;

    buf_addf(out, ",\"%s\":", key);
    if (!template) {
        buf_add_c(out, "null");
        return;
    }
    buf_init(&text, MAX_RENDER_BYTES);
    template_render(&text, template, change);
    if (text.len > max) { /* cut between characters of UTF-8 */
        while (max > 0 && ((unsigned char)text.data[max] & 0xc0) == 0x80)
            max--;
        buf_truncate(&text, max);
    }
    json_add_string(out, buf_str(&text));
    buf_fini(&text);
}

static void add_text(struct buf *out, const char *key, const char *text)
{
    buf_addf(out, ",\"%s\":", key);
    if (text)
        json_add_string(out, str_c(text));
    else
        buf_add_c(out, "null");
}

static void add_data(struct buf *out, const struct notification_rule *rule,
                     const struct change *change, struct str event)
{
    struct buf json;

    buf_init(&json, MAX_TEXT_BYTES * 16);
    if (rule->data)
        template_render_json(&json, rule->data, change);
    if (!rule->data || !buf_ok(&json) || !json_is_jsonb(buf_str(&json))) {
        buf_clear(&json);
        buf_add_c(&json, "{\"event\":");
        json_add_string(&json, event);
        buf_add_char(&json, '}');
    }
    buf_add_c(out, ",\"data\":");
    buf_add_str(out, buf_str(&json));
    buf_fini(&json);
}

void notification_rule_render(struct buf *out, const struct notification_rule *rule,
                              const struct change *change, struct str user_id, struct str event)
{
    buf_add_c(out, "{\"user_id\":");
    json_add_string(out, user_id);
    add_text(out, "rule_id", rule->id);
    add_text(out, "type", rule->type ? rule->type : rule->name);
    add_rendered(out, "title", rule->title, change, MAX_TITLE_BYTES);
    add_rendered(out, "message", rule->message, change, MAX_TEXT_BYTES);
    add_text(out, "priority", rule->priority ? rule->priority : "medium");
    add_data(out, rule, change, event);
    add_text(out, "expires_in", rule->expires_in);
    /* its digest stands for a long one: see 014_corrections.sql */
    add_rendered(out, "dedupe_key", rule->dedupe_key, change, MAX_TEXT_BYTES);
    buf_add_char(out, '}');
}
