/* The JSON object that `pgherald oauth put` reads. No error quotes what stands in it: only names of
 * fields, which are few and known. */
#include <jansson.h>
#include <string.h>

#include "base/clock.h"
#include "cli/oauth.h"

#define ACCOUNT_MAX 255 /* bytes; Google's own are 21 digits */
#define EMAIL_MAX 320
#define SCOPES_MAX 1000

typedef enum result (*read_field)(struct oauth_grant *grant, const char *name, json_t *value,
                                  struct err *err);

static void keep(struct oauth_grant *grant, const char *name, json_t *value)
{
    json_object_set(grant->fields, name, value);
}

static enum result check_text(const char *name, const json_t *value, size_t max, struct err *err)
{
    if (!json_is_string(value) || json_string_length(value) == 0)
        return err_set(err, "%s has to be a text that is not empty", name);
    if (json_string_length(value) > max)
        return err_set(err, "%s has more than %zu bytes", name, max);
    return OK;
}

static enum result read_account(struct oauth_grant *grant, const char *name, json_t *value,
                                struct err *err)
{
    if (check_text(name, value, ACCOUNT_MAX, err) != OK)
        return FAILED;
    grant->account_id = json_string_value(value);
    keep(grant, name, value);
    return OK;
}

static enum result read_email(struct oauth_grant *grant, const char *name, json_t *value,
                              struct err *err)
{
    if (!json_is_null(value) && check_text(name, value, EMAIL_MAX, err) != OK)
        return FAILED;
    keep(grant, name, value);
    return OK;
}

static enum result read_type(struct oauth_grant *grant, const char *name, json_t *value,
                             struct err *err)
{
    if (json_is_null(value))
        return OK;
    if (check_text(name, value, EMAIL_MAX, err) != OK)
        return FAILED;
    keep(grant, name, value);
    return OK;
}

static enum result read_access(struct oauth_grant *grant, const char *name, json_t *value,
                               struct err *err)
{
    if (check_text(name, value, SEAL_PLAIN_MAX, err) != OK)
        return FAILED;
    grant->access = str_from(json_string_value(value), json_string_length(value));
    return OK;
}

static enum result read_refresh(struct oauth_grant *grant, const char *name, json_t *value,
                                struct err *err)
{
    grant->gives_refresh = true;
    if (json_is_null(value))
        return OK;
    if (check_text(name, value, SEAL_PLAIN_MAX, err) != OK)
        return FAILED;
    grant->refresh = str_from(json_string_value(value), json_string_length(value));
    return OK;
}

/* As the answer of an OAuth server has them: one text with blanks between. */
static json_t *split_scopes(const json_t *value)
{
    struct str rest = str_from(json_string_value(value), json_string_length(value)), scope;
    json_t *scopes = json_array();
    bool more = true;

    while (more) {
        more = str_split(rest, ' ', &scope, &rest);
        if (scope.len > 0)
            json_array_append_new(scopes, json_stringn(scope.data, scope.len));
    }
    return scopes;
}

static enum result read_scopes(struct oauth_grant *grant, const char *name, json_t *value,
                               struct err *err)
{
    json_t *scopes = json_is_string(value) ? split_scopes(value)
                     : json_is_null(value) ? json_array()
                                           : json_incref(value);
    bool fits = json_is_array(scopes) && json_array_size(scopes) <= SCOPES_MAX;
    json_t *scope;
    size_t i;

    json_array_foreach(scopes, i, scope) fits = fits && json_string_length(scope) > 0;
    json_object_set_new(grant->fields, name, scopes);
    return fits ? OK
                : err_set(err, "%s has to be an array of texts, or one text with blanks between",
                          name);
}

static enum result read_expiry(struct oauth_grant *grant, const char *name, json_t *value,
                               struct err *err)
{
    char text[CLOCK_ISO_TEXT];
    int64_t us;

    if (json_is_null(value))
        return OK;
    if (!json_is_string(value) || !clock_parse(str_c(json_string_value(value)), &us))
        return err_set(err, "%s has to be a time such as 2026-11-23T15:04:05Z, or null", name);
    json_object_set_new(grant->fields, name, json_string(clock_iso_us(us, text)));
    return OK;
}

static const struct {
    const char *name;
    read_field read;
} known[] = {
    {"google_account_id", read_account},
    {"google_email", read_email},
    {"access_token", read_access},
    {"refresh_token", read_refresh},
    {"scopes", read_scopes},
    {"token_type", read_type},
    {"expires_at", read_expiry},
};
#define KNOWN_COUNT (sizeof(known) / sizeof(*known))
#define KNOWN_NAMES                                                                                \
    "google_account_id, google_email, access_token, refresh_token, scopes, token_type, expires_at"

/* A name that is none may be anything; no token is made of small letters alone. */
static bool may_be_shown(const char *name)
{
    size_t len = strlen(name);

    return len > 0 && len <= 40 && strspn(name, "abcdefghijklmnopqrstuvwxyz_") == len;
}

static enum result read_one(struct oauth_grant *grant, const char *name, json_t *value,
                            struct err *err)
{
    for (size_t i = 0; i < KNOWN_COUNT; i++)
        if (strcmp(known[i].name, name) == 0)
            return known[i].read(grant, name, value, err);
    return err_set(err, "%s is no known field; those are " KNOWN_NAMES,
                   may_be_shown(name) ? name : "one of the names");
}

/* jansson's own text quotes what stands near, which may be a token. */
static enum result load(struct str text, json_t **root, struct err *err)
{
    json_error_t error;

    *root = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, &error);
    if (*root && !json_is_object(*root))
        return err_set(err, "no JSON object, but another value");
    if (*root)
        return OK;
    if (json_error_code(&error) == json_error_duplicate_key)
        return err_set(err, "a field is given twice");
    return err_set(err, "no JSON object: line %d, column %d cannot be read", error.line,
                   error.column);
}

static enum result read_fields(struct oauth_grant *grant, struct err *err)
{
    const char *name;
    json_t *value;

    json_object_foreach(grant->root, name,
                        value) if (read_one(grant, name, value, err) != OK) return FAILED;
    if (!grant->account_id || grant->access.len == 0)
        return err_set(err, "%s is missing",
                       grant->account_id ? "access_token" : "google_account_id");
    return OK;
}

enum result oauth_grant_parse(struct str text, struct oauth_grant *out, struct err *err)
{
    *out = (struct oauth_grant){.fields = json_object()};
    if (load(text, &out->root, err) == OK && read_fields(out, err) == OK)
        return OK;
    oauth_grant_fini(out);
    return FAILED;
}

void oauth_grant_fini(struct oauth_grant *grant)
{
    json_decref(grant->fields);
    json_decref(grant->root);
    *grant = (struct oauth_grant){0};
}
