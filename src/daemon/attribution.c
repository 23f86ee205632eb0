#include "daemon/attribution.h"

#include <string.h>

#include "base/encode.h"
#include "base/json.h"
#include "pg/copy.h"

#define MAX_FIELDS ((size_t)1 << 20)
#define CODE_DIGITS ((size_t)MAC_BYTES * 2)

static const char *source_name(enum who_source source)
{
    switch (source) {
    case WHO_NONE:
        return "none";
    case WHO_GATEWAY:
        return "gateway";
    case WHO_DECLARED:
        return "declared";
    case WHO_DIRECT:
        return "direct";
    case WHO_CONFLICT:
        return "conflict";
    case WHO_FORGED:
        return "forged";
    }
    return "?";
}

/* Judging */

static bool is_gateway(const struct config_list *roles, struct str session_user)
{
    for (size_t i = 0; i < roles->count; i++)
        if (str_eq(session_user, str_c(roles->items[i])))
            return true;
    return false;
}

static struct who judge(const struct config *config, const struct audit_context *context)
{
    bool gateway = is_gateway(&config->audit_gateway_roles, context->session_user);
    struct who who = {WHO_DIRECT, false, {0}};

    if (gateway && (context->actor.len > 0 || context->declared.len == 0)) {
        who.source = WHO_GATEWAY;
        who.has_actor = str_to_uuid(context->actor, who.actor);
    } else if (context->declared.len > 0) {
        who.source = WHO_DECLARED;
        who.has_actor = str_to_uuid(context->declared, who.actor);
    }
    return who;
}

static bool differ(const struct who *a, const struct who *b)
{
    return a->has_actor && b->has_actor && memcmp(a->actor, b->actor, sizeof(a->actor)) != 0;
}

/* What the transaction's earlier messages have to say to this one. An actor does not go by a later
 * message that knows none; and once there were two, nobody can tell any more. */
static struct who join(const struct who *before, const struct who *now)
{
    struct who who = *before;

    if (before->source == WHO_CONFLICT || differ(before, now)) {
        who.source = WHO_CONFLICT;
        who.has_actor = false; /* the first one stays in `actor` */
        return who;
    }
    return before->has_actor && !now->has_actor ? *before : *now;
}

/* Rendering */

static void add_member(struct buf *out, const char *name, struct str value)
{
    if (value.len == 0)
        return;
    buf_addf(out, ",\"%s\":", name);
    json_add_string(out, value);
}

/* The address of the client: behind a gateway what its proxies say, in the order of how hard it is
 * to make up; else the connection's. `from` gets the name of the one. */
static struct str client_address(enum who_source source, const struct audit_context *context,
                                 const char **from)
{
    const struct {
        const char *name;
        struct str value;
    } headers[] = {{"cf-connecting-ip", context->cf_connecting_ip},
                   {"x-real-ip", context->x_real_ip},
                   {"x-forwarded-for", context->x_forwarded_for}};
    struct str first, rest;

    *from = "connection";
    if (source != WHO_GATEWAY)
        return context->address;
    for (size_t i = 0; i < sizeof(headers) / sizeof(*headers); i++) {
        if (headers[i].value.len == 0)
            continue;
        *from = headers[i].name;
        str_split(headers[i].value, ',', &first, &rest);
        return str_trim(first);
    }
    return context->address;
}

static void add_application(struct buf *out, struct str application, struct str flaws)
{
    bool fits = application.len > 0 && application.data[0] == '{' && json_is_jsonb(application);
    struct buf words;

    if (fits) {
        buf_add_c(out, ",\"application\":");
        buf_add_str(out, application);
    }
    if (flaws.len == 0 && (fits || application.len == 0))
        return;
    buf_init(&words, 256);
    buf_add_str(&words, flaws);
    if (application.len > 0 && !fits)
        buf_add_c(&words, flaws.len ? " application" : "application");
    add_member(out, "flaws", buf_str(&words));
    buf_fini(&words);
}

/* Who was named before somebody else was. */
static void add_first_actor(struct buf *out, const uint8_t actor[16])
{
    buf_add_c(out, ",\"first_actor\":\"");
    for (size_t i = 0; i < 16; i++)
        buf_addf(out, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", actor[i]);
    buf_add_char(out, '"');
}

static void add_claims(struct buf *out, const struct who *who, const struct audit_context *context)
{
    if (who->source == WHO_CONFLICT)
        add_first_actor(out, who->actor);
    if (who->source != WHO_GATEWAY)
        add_member(out, "claimed", context->actor);
    else if (!who->has_actor) /* else it is the entry's user_id */
        add_member(out, "subject", context->actor);
    add_member(out, "declared", context->declared);
    add_member(out, "role", context->role);
    add_member(out, "session_user", context->session_user);
    add_member(out, "aal", context->aal);
}

static void add_context(struct attribution *attribution, const struct audit_context *context,
                        const char *address_from)
{
    struct buf *out = &attribution->fields;
    const struct who *who = &attribution->who;
    size_t begun = copy_begin_jsonb(out);

    buf_addf(out, "{\"source\":\"%s\",\"trusted\":%s", source_name(who->source),
             who->source == WHO_GATEWAY ? "true" : "false");
    add_claims(out, who, context);
    add_member(out, "address_from", str_c(address_from));
    add_member(out, "connection", context->address);
    add_member(out, "cf_connecting_ip", context->cf_connecting_ip);
    add_member(out, "x_real_ip", context->x_real_ip);
    add_member(out, "x_forwarded_for", context->x_forwarded_for);
    add_member(out, "method", context->method);
    add_member(out, "path", context->path);
    add_member(out, "application_name", context->application_name);
    add_application(out, context->application, context->flaws);
    if (attribution->has_forgery)
        buf_add_c(out, ",\"forged\":true");
    buf_add_char(out, '}');
    copy_end_field(out, begun);
    attribution->context_at = begun;
}

static void add_text_or_null(struct buf *out, struct str text)
{
    if (text.len > 0)
        copy_add_text(out, text);
    else
        copy_add_null(out);
}

static void render(struct attribution *attribution, const struct audit_context *context)
{
    struct buf *out = &attribution->fields;
    const char *address_from;
    struct str address = client_address(attribution->who.source, context, &address_from);

    buf_clear(out);
    if (attribution->who.has_actor)
        copy_add_uuid(out, attribution->who.actor);
    else
        copy_add_null(out);
    if (!copy_add_inet(out, address))
        copy_add_null(out);
    add_text_or_null(out, context->session_id);
    add_text_or_null(out, context->user_agent);
    add_context(attribution, context, address_from);
}

/* Of a row of which nothing is known but that. */
static void render_nobody(struct buf *out, const char *json)
{
    size_t begun;

    buf_clear(out);
    for (unsigned i = 1; i < ATTRIBUTION_FIELDS; i++)
        copy_add_null(out);
    begun = copy_begin_jsonb(out);
    buf_add_c(out, json);
    copy_end_field(out, begun);
}

/* The context is the last field: its closing brace makes room for the mark. */
bool attribution_note_forgery(struct attribution *attribution)
{
    struct buf *out = &attribution->fields;

    if (attribution->has_forgery)
        return false;
    attribution->has_forgery = true;
    if (attribution->who.source == WHO_NONE) {
        attribution->who.source = WHO_FORGED;
        render_nobody(out, "{\"source\":\"forged\",\"trusted\":false,\"forged\":true}");
    } else if (attribution->who.source != WHO_FORGED && buf_ok(out)) {
        buf_truncate(out, out->len - 1);
        buf_add_c(out, ",\"forged\":true}");
        copy_end_field(out, attribution->context_at);
    }
    return true;
}

/* The signature is in hexadecimal in front of what it signs. */
bool attribution_is_signed(const struct attribution *attribution, struct str content,
                           struct str *facts)
{
    uint8_t bytes[MAC_BYTES];
    struct buf code;
    bool good;

    if (content.len <= CODE_DIGITS || content.len > CODE_DIGITS + AUDIT_CONTEXT_MAX)
        return false;
    *facts = str_from(content.data + CODE_DIGITS, content.len - CODE_DIGITS);
    buf_init(&code, MAC_BYTES);
    good = hex_decode(&code, str_from(content.data, CODE_DIGITS)) && buf_ok(&code);
    if (good)
        memcpy(bytes, code.data, MAC_BYTES);
    buf_fini(&code);
    return good && mac_is_valid(&attribution->key, *facts, bytes);
}

/* The transaction is part of what is signed: what was read somewhere is worth nothing in another.
 */
static bool read_signed(struct attribution *attribution, struct str content, uint32_t xid,
                        struct audit_context *context)
{
    struct str facts;
    struct err err;

    return attribution_is_signed(attribution, content, &facts) &&
           audit_context_read(facts, &attribution->scratch, context, &err) == OK &&
           (uint32_t)context->xid == xid;
}

/* The face */

void attribution_init(struct attribution *attribution, const struct config *config)
{
    *attribution = (struct attribution){.config = config};
    buf_init(&attribution->none, MAX_FIELDS);
    buf_init(&attribution->fields, MAX_FIELDS);
    buf_init(&attribution->scratch, MAX_FIELDS);
    render_nobody(&attribution->none, "{\"source\":\"none\"}");
}

void attribution_fini(struct attribution *attribution)
{
    buf_fini(&attribution->none);
    buf_fini(&attribution->fields);
    buf_fini(&attribution->scratch);
}

void attribution_begin(struct attribution *attribution)
{
    attribution->who = (struct who){0};
    attribution->has_forgery = false;
}

enum attribution_verdict attribution_take(struct attribution *attribution, struct str content,
                                          uint32_t xid, struct str *resource)
{
    struct audit_context context;
    struct who now;

    if (!read_signed(attribution, content, xid, &context)) {
        attribution_note_forgery(attribution);
        return ATTRIBUTION_FORGED;
    }
    now = judge(attribution->config, &context);
    attribution->who = join(&attribution->who, &now);
    render(attribution, &context);
    *resource = context.path;
    return context.is_read ? ATTRIBUTION_READ : ATTRIBUTION_TAKEN;
}

struct str attribution_fields(const struct attribution *attribution)
{
    return buf_str(attribution->who.source == WHO_NONE ? &attribution->none : &attribution->fields);
}
