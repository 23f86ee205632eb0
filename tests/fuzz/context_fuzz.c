/* What a transaction says of itself: a message a line. After `s` come facts, which are signed and
 * so taken for the database's own; after `d` those of an event trigger, behind their signature; any
 * other line is a message as anybody can write it. */
#include "fuzz.h"

#include <openssl/hmac.h>

#include "base/encode.h"
#include "base/json.h"
#include "daemon/attribution.h"
#include "row/schema_change.h"

#define XID 771

static bool take(struct attribution *who, struct str line)
{
    struct str facts = str_from(line.data + 1, line.len - 1), resource;
    enum attribution_verdict verdict;
    unsigned char code[MAC_BYTES];
    struct buf content;
    unsigned len = 0;

    if (line.data[0] != 's') {
        verdict = attribution_take(who, line, XID, &resource);
        REQUIRE(verdict == ATTRIBUTION_FORGED, line);
        return false;
    }
    REQUIRE(HMAC(EVP_sha256(), who->key.bytes, MAC_KEY_BYTES, (const unsigned char *)facts.data,
                 facts.len, code, &len) != NULL,
            line);
    buf_init(&content, facts.len + MAC_BYTES * 2);
    hex_encode(&content, code, MAC_BYTES);
    buf_add_str(&content, facts);
    verdict = attribution_take(who, buf_str(&content), XID, &resource);
    buf_fini(&content);
    return verdict != ATTRIBUTION_FORGED;
}

static bool is_text(struct str text)
{
    return str_is_utf8(text) && (text.len == 0 || !memchr(text.data, 0, text.len));
}

/* What is taken can be stored: texts and jsonb, of a size that is bounded. */
static void read_schema_change(struct str facts)
{
    struct schema_change change;
    struct buf scratch;
    struct err err;

    buf_init(&scratch, 1 << 20);
    if (schema_change_read(facts, &scratch, &change, &err) == OK) {
        REQUIRE(facts.len <= SCHEMA_CHANGE_MAX, facts);
        REQUIRE(is_text(change.type) && change.type.len > 0 && is_text(change.name), facts);
        REQUIRE(json_is_jsonb(change.change) && str_is_utf8(change.change), facts);
    }
    buf_fini(&scratch);
}

/* Five fields and not a byte more; what COPY would refuse would stop the trail. */
static void check_fields(struct str all, bool taken)
{
    size_t at = 0;

    for (unsigned i = 0; i < ATTRIBUTION_FIELDS; i++) {
        uint32_t len = 0;
        struct str field;

        REQUIRE(all.len - at >= 4, all);
        for (int k = 0; k < 4; k++)
            len = len << 8 | (unsigned char)all.data[at++];
        if (len == UINT32_MAX)
            continue;
        REQUIRE(all.len - at >= len, all);
        field = str_from(all.data + at, len);
        at += len;
        REQUIRE(i != 0 || (taken && len == 16), all);
        REQUIRE(i != 1 || len == 8 || len == 20, all);
        REQUIRE((i != 2 && i != 3) || (str_is_utf8(field) && !memchr(field.data, 0, len)), all);
        REQUIRE(i != 4 || (len > 1 && field.data[0] == 1 &&
                           json_is_jsonb(str_from(field.data + 1, len - 1)) &&
                           str_is_utf8(str_from(field.data + 1, len - 1))),
                all);
    }
    REQUIRE(at == all.len, all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char gateway[] = "authenticator", *gateways[] = {gateway};
    static struct config config = {.audit_gateway_roles = {gateways, 1}};
    struct str rest = input_text(data, size), line;
    struct attribution who;
    bool taken = false;

    attribution_init(&who, &config);
    who.key.is_known = true;
    attribution_begin(&who);
    check_fields(attribution_fields(&who), taken);
    while (rest.len > 0) {
        str_split(rest, '\n', &line, &rest);
        if (line.len == 0)
            continue;
        if (line.data[0] == 'd') {
            read_schema_change(str_from(line.data + 1, line.len - 1));
            continue;
        }
        if (take(&who, line))
            taken = true;
        check_fields(attribution_fields(&who), taken);
    }
    attribution_fini(&who);
    return 0;
}
