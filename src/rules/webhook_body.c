#include "rules/webhook_body.h"

#include "base/clock.h"
#include "base/json.h"
#include "rules/image.h"

#define MAX_ENVELOPE                                                                               \
    ((size_t)1 << 20) /* around the rows: names, and a key where they are left out */
#define MAX_SUBJECT 1024
#define KEEP ((size_t)1 << 20) /* of memory, from one change to the next */

void webhook_body_init(struct webhook_body *body)
{
    *body = (struct webhook_body){0};
    buf_init(&body->rows, WEBHOOK_MAX_BODY);
    buf_init(&body->data, WEBHOOK_MAX_BODY + 2 * MAX_ENVELOPE);
    buf_init(&body->text, WEBHOOK_MAX_BODY + 3 * MAX_ENVELOPE);
}

void webhook_body_fini(struct webhook_body *body)
{
    buf_fini(&body->rows);
    buf_fini(&body->data);
    buf_fini(&body->text);
}

void webhook_body_begin(struct webhook_body *body, const struct webhook_change *of)
{
    body->of = *of;
    body->last = NULL;
    buf_shrink(&body->rows, KEEP);
    buf_shrink(&body->data, KEEP);
    buf_shrink(&body->text, KEEP);
}

/* Rows */

static void add_old(struct buf *out, const struct webhook_change *of, const struct rule_list *only,
                    bool hides_old)
{
    if (hides_old)
        buf_add_c(out, "{}"); /* as of a table whose old rows do not come */
    else
        image_add_old(out, of->rules, of->table, of->change, only, IMAGE_TABLE_ORDER);
}

static void add_rows(struct buf *out, const struct webhook_change *of, const struct rule_list *only,
                     bool hides_old)
{
    enum change_kind kind = of->change->kind;

    buf_add_c(out, "\"record\":");
    if (kind == CHANGE_INSERT || kind == CHANGE_UPDATE)
        image_add_new(out, of->rules, of->table, of->change, only, IMAGE_TABLE_ORDER);
    else
        buf_add_c(out, "null");
    buf_add_c(out, ",\"old_record\":");
    if (kind == CHANGE_UPDATE || kind == CHANGE_DELETE)
        add_old(out, of, only, hides_old);
    else
        buf_add_c(out, "null");
}

/* Too large: the receiver learns which one it is, and can read it from the database. */
static void add_row_key(struct buf *out, const struct webhook_change *of)
{
    struct buf key;

    buf_init(&key, MAX_ENVELOPE / 8); /* as JSON a byte may become six */
    buf_add_c(out, "\"record\":null,\"old_record\":null,\"error\":\"payload too large\",\"key\":");
    if (image_add_key(&key, of->rules, of->change) && buf_ok(&key))
        json_add_string(out, buf_str(&key));
    else
        buf_add_c(out, "null");
    buf_fini(&key);
}

static void make_rows(struct webhook_body *body, const struct rule_list *only, bool hides_old)
{
    buf_clear(&body->rows);
    add_rows(&body->rows, &body->of, only->count > 0 ? only : NULL, hides_old);
    if (buf_ok(&body->rows))
        return;
    buf_clear(&body->rows);
    add_row_key(&body->rows, &body->of);
}

static void make_data(struct webhook_body *body)
{
    const struct webhook_change *of = &body->of;
    struct buf *out = &body->data;
    char lsn[LSN_TEXT];

    buf_clear(out);
    buf_add_c(out, "{\"schema\":");
    json_add_string(out, of->table->schema);
    buf_add_c(out, ",\"table\":");
    json_add_string(out, of->table->table);
    buf_add_c(out, ",\"operation\":");
    json_add_string(out, change_verb(of->change->kind));
    buf_add_char(out, ',');
    buf_add_str(out, buf_str(&body->rows));
    buf_addf(out, ",\"commit_lsn\":\"%s\",\"ordinal\":", lsn_format(of->position->commit_lsn, lsn));
    buf_add_u64(out, of->position->ordinal);
    buf_add_char(out, '}');
}

/* Shapes */

static struct str event_of(const struct webhook_change *of)
{
    return of->table->events[rule_operation(of->change->kind)];
}

static void add_standard(struct buf *out, const struct webhook_body *body)
{
    char when[CLOCK_ISO_TEXT];

    buf_add_c(out, "{\"type\":");
    json_add_string(out, event_of(&body->of));
    buf_addf(out,
             ",\"timestamp\":\"%s\",\"data\":", clock_iso_us(body->of.position->commit_time, when));
    buf_add_str(out, buf_str(&body->data));
    buf_add_char(out, '}');
}

static const char *loud_verb(enum change_kind kind)
{
    switch (kind) {
    case CHANGE_INSERT:
        return "INSERT";
    case CHANGE_UPDATE:
        return "UPDATE";
    case CHANGE_DELETE:
        return "DELETE";
    case CHANGE_TRUNCATE:
        return "TRUNCATE";
    case CHANGE_BEGIN:
    case CHANGE_COMMIT:
    case CHANGE_MESSAGE:
        break;
    }
    return ""; /* of a change that no webhook is told */
}

static void add_supabase(struct buf *out, const struct webhook_body *body)
{
    buf_addf(out, "{\"type\":\"%s\",\"table\":", loud_verb(body->of.change->kind));
    json_add_string(out, body->of.table->table);
    buf_add_c(out, ",\"schema\":");
    json_add_string(out, body->of.table->schema);
    buf_add_char(out, ',');
    buf_add_str(out, buf_str(&body->rows));
    buf_add_char(out, '}');
}

/* RFC 3986, 2.3: what needs no escape anywhere in a URI; that also needs none in JSON. */
static void add_segment(struct buf *out, struct str name)
{
    buf_add_char(out, '/');
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.data[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '.' || c == '_' || c == '~';

        if (plain)
            buf_add_char(out, (char)c);
        else
            buf_addf(out, "%%%02X", c);
    }
}

static void add_subject(struct buf *out, const struct webhook_change *of)
{
    struct buf key;

    buf_init(&key, MAX_SUBJECT);
    if (image_add_key(&key, of->rules, of->change) && buf_ok(&key) && key.len > 0) {
        buf_add_c(out, ",\"subject\":");
        json_add_string(out, buf_str(&key));
    }
    buf_fini(&key);
}

/* The context attributes of CloudEvents 1.0.2, 3. "specversion" comes first: by that
 * dispatch/request knows the content type. */
static void add_cloudevent(struct buf *out, const struct webhook_body *body,
                           const struct webhook_rule *webhook)
{
    const struct webhook_change *of = &body->of;
    char when[CLOCK_ISO_TEXT];

    buf_add_c(out, "{\"specversion\":\"1.0\",\"id\":\"");
    webhook_rule_add_message_id(out, webhook, of->position);
    buf_add_c(out, "\",\"source\":\"");
    add_segment(out, str_c(ruleset_config(of->rules)->slot_name));
    add_segment(out, of->table->schema);
    add_segment(out, of->table->table);
    buf_add_c(out, "\",\"type\":");
    json_add_string(out, event_of(of));
    buf_addf(out, ",\"time\":\"%s\"", clock_iso_us(of->position->commit_time, when));
    add_subject(out, of);
    buf_add_c(out, ",\"datacontenttype\":\"application/json\",\"data\":");
    buf_add_str(out, buf_str(&body->data));
    buf_add_char(out, '}');
}

static void make_text(struct webhook_body *body, const struct webhook_rule *webhook)
{
    buf_clear(&body->text);
    switch (webhook->format) {
    case WEBHOOK_STANDARD:
        add_standard(&body->text, body);
        break;
    case WEBHOOK_SUPABASE:
        add_supabase(&body->text, body);
        break;
    case WEBHOOK_CLOUDEVENTS:
        add_cloudevent(&body->text, body, webhook);
        break;
    }
}

struct str webhook_body_for(struct webhook_body *body, const struct webhook_rule *webhook)
{
    const struct webhook_rule *last = body->last;
    bool hides_old = webhook_rule_hides_old(webhook, body->of.change);
    bool same_rows = last && webhook_rule_same_columns(last, webhook) && body->hid_old == hides_old;

    if (!same_rows) {
        make_rows(body, &webhook->columns, hides_old);
        make_data(body);
    }
    /* a CloudEvent has its endpoint's message id in it */
    if (!same_rows || last->format != webhook->format || webhook->format == WEBHOOK_CLOUDEVENTS)
        make_text(body, webhook);
    body->last = webhook;
    body->hid_old = hides_old;
    return buf_str(&body->text);
}
