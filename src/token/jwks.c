#include "token/jwks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h" /* before jansson.h, which has a macro of the same name */
#include "base/mem.h"
#include "token/set.h"

#define MAX_LINE 4096

static void write_kid(const char *kid, struct buf *out)
{
    if (kid)
        json_add_string(out, str_c(kid));
    else
        buf_add_c(out, "(no kid)");
}

static void add_problem(struct jwks *jwks, const json_t *object, const char *what)
{
    const json_t *kid = json_object_get(object, "kid");
    struct buf line;

    buf_init(&line, MAX_LINE);
    write_kid(json_string_length(kid) <= JWK_MAX_KID ? json_string_value(kid) : NULL, &line);
    buf_addf(&line, ": %s", what);
    jwks->problems[jwks->problem_count++] = buf_take(&line, NULL);
}

static enum result read_keys(const json_t *keys, enum jwks_origin origin, struct jwks *jwks,
                             struct err *err)
{
    size_t count = json_array_size(keys);
    struct err why;

    if (count > JWKS_MAX_KEYS)
        return err_set(err, "a set of %zu keys; at most %d are taken", count, JWKS_MAX_KEYS);
    for (size_t i = 0; i < count; i++) {
        const json_t *object = json_array_get(keys, i);

        if (jwk_read(object, origin == JWKS_OF_FILE, &jwks->keys[jwks->count], &why) == OK)
            jwks->count++;
        else
            add_problem(jwks, object, why.message);
    }
    if (jwks->count > 0)
        return OK;
    if (jwks->problem_count == 0)
        return err_set(err, "a set without keys");
    return err_set(err, "no key of the set can be used; the first is %s", jwks->problems[0]);
}

enum result jwks_read(struct str text, enum jwks_origin origin, struct jwks **out, struct err *err)
{
    json_t *root = NULL;
    json_error_t reason = {.text = "too long"};
    enum result result;
    const json_t *keys;
    struct jwks *jwks;

    *out = NULL;
    if (text.len <= JWKS_MAX_BYTES)
        root = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, &reason);
    if (!root)
        return err_set(err, "not JSON: line %d: %s", reason.line, reason.text);
    keys = json_object_get(root, "keys");
    jwks = mem_alloc(sizeof(*jwks));
    result = json_is_array(keys) ? read_keys(keys, origin, jwks, err)
                                 : err_set(err, "no key set: an object with an array \"keys\" is "
                                                "wanted (RFC 7517, 5)");
    json_decref(root);
    if (result == OK)
        *out = jwks;
    else
        jwks_free(jwks);
    return result;
}

/* Looked at before it is opened: to open a pipe may take for ever. */
enum result jwks_read_file(const char *path, struct jwks **out, struct err *err)
{
    struct stat status;
    struct buf text;
    enum result result;

    *out = NULL;
    if (stat(path, &status) != 0)
        return err_set_errno(err, errno, "%s", path);
    if (!S_ISREG(status.st_mode))
        return err_set(err, "%s: not a regular file", path);
    buf_init(&text, JWKS_MAX_BYTES);
    result = file_read(path, &text, err);
    if (result == OK && jwks_read(buf_str(&text), JWKS_OF_FILE, out, err) != OK)
        result = err_context(err, "%s", path);
    buf_fini(&text);
    return result;
}

void jwks_free(struct jwks *jwks)
{
    if (!jwks)
        return;
    for (size_t i = 0; i < jwks->count; i++)
        jwk_fini(&jwks->keys[i]);
    for (size_t i = 0; i < jwks->problem_count; i++)
        free(jwks->problems[i]);
    free(jwks);
}

static bool same_key(const struct jwk *a, const struct jwk *b)
{
    return a->id == b->id && a->algs == b->algs && !a->kid == !b->kid &&
           (!a->kid || strcmp(a->kid, b->kid) == 0);
}

bool jwks_same(const struct jwks *a, const struct jwks *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!same_key(&a->keys[i], &b->keys[i]))
            return false;
    return true;
}

size_t jwks_count(const struct jwks *jwks)
{
    return jwks->count;
}

void jwks_write_key(const struct jwks *jwks, size_t i, struct buf *out)
{
    write_kid(jwks->keys[i].kid, out);
    buf_add_char(out, ' ');
    alg_write(jwks->keys[i].algs, out);
}

size_t jwks_problem_count(const struct jwks *jwks)
{
    return jwks->problem_count;
}

const char *jwks_problem(const struct jwks *jwks, size_t i)
{
    return jwks->problems[i];
}
