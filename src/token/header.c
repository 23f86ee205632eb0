#include "token/header.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/encode.h"
#include "base/mem.h"
#include "token/jwk.h"
#include "token/token.h"

static bool asks_for_more(const json_t *object)
{
    return json_object_get(object, "crit") || json_object_get(object, "b64") ||
           json_object_get(object, "zip");
}

static bool read_members(const json_t *object, struct header *out)
{
    const json_t *alg = json_object_get(object, "alg"), *kid = json_object_get(object, "kid");

    if (!json_is_string(alg) || asks_for_more(object))
        return false;
    if (kid && (!json_is_string(kid) || json_string_length(kid) > JWK_MAX_KID))
        return false;
    out->known = alg_find(json_string_value(alg), &out->alg);
    out->kid = mem_strdup(json_string_value(kid));
    return true;
}

bool header_read(struct str text, struct header *out)
{
    json_t *object = NULL;
    struct buf bytes;
    bool good;

    *out = (struct header){0};
    buf_init(&bytes, TOKEN_MAX_BYTES);
    if (base64_decode(&bytes, text) && buf_ok(&bytes))
        object = json_loadb(buf_str(&bytes).data, bytes.len, JSON_REJECT_DUPLICATES, NULL);
    good = json_is_object(object) && read_members(object, out);
    json_decref(object);
    buf_fini(&bytes);
    return good;
}

void header_fini(struct header *header)
{
    free(header->kid);
    header->kid = NULL;
}
