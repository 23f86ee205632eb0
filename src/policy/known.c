#include "policy/known.h"

#include "base/buf.h"

#define MAX_SOURCE 1024
#define KINDS 6

/* In the order of enum comparison; 0: has no order that is ours. */
static const struct {
    enum datum_class class;
    unsigned short oids[KINDS];
} operators[] = {
    {CLASS_BOOL, {91, 85, 58, 1694, 59, 1695}},
    {CLASS_NUMBER, {94, 519, 95, 522, 520, 524}},         /* int2, int2 */
    {CLASS_NUMBER, {532, 538, 534, 540, 536, 542}},       /* int2, int4 */
    {CLASS_NUMBER, {1862, 1863, 1864, 1866, 1865, 1867}}, /* int2, int8 */
    {CLASS_NUMBER, {533, 539, 535, 541, 537, 543}},       /* int4, int2 */
    {CLASS_NUMBER, {96, 518, 97, 523, 521, 525}},         /* int4, int4 */
    {CLASS_NUMBER, {15, 36, 37, 80, 76, 82}},             /* int4, int8 */
    {CLASS_NUMBER, {1868, 1869, 1870, 1872, 1871, 1873}}, /* int8, int2 */
    {CLASS_NUMBER, {416, 417, 418, 420, 419, 430}},       /* int8, int4 */
    {CLASS_NUMBER, {410, 411, 412, 414, 413, 415}},       /* int8, int8 */
    {CLASS_NUMBER, {1752, 1753, 1754, 1755, 1756, 1757}}, /* numeric */
    {CLASS_TEXT, {98, 531, 0, 0, 0, 0}},
    {CLASS_UUID, {2972, 2973, 2974, 2976, 2975, 2977}},
    {CLASS_LABEL, {3516, 3517, 0, 0, 0, 0}},
    {CLASS_DATE, {1093, 1094, 1095, 1096, 1097, 1098}},
    {CLASS_TIMESTAMP, {2060, 2061, 2062, 2063, 2064, 2065}},
    {CLASS_TIMESTAMPTZ, {1320, 1321, 1322, 1323, 1324, 1325}},
};

bool known_operator(int64_t oid, struct known_operator *out)
{
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++)
        for (size_t kind = 0; kind < KINDS; kind++)
            if (oid != 0 && operators[i].oids[kind] == oid) {
                *out = (struct known_operator){(enum comparison)kind, operators[i].class};
                return true;
            }
    return false;
}

bool known_step(int64_t oid, struct known_step *out)
{
    switch (oid) {
    case 3211: /* jsonb, json */
    case 3962:
        *out = (struct known_step){false, false};
        return true;
    case 3477:
    case 3963:
        *out = (struct known_step){true, false};
        return true;
    case 3213:
    case 3966:
        *out = (struct known_step){false, true};
        return true;
    case 3206:
    case 3967:
        *out = (struct known_step){true, true};
        return true;
    default: /* oids that are not ours */
        return false;
    }
}

bool known_widening(int64_t oid)
{
    static const short oids[] = {313, 481, 754, 1740, 1781, 1782};

    for (size_t i = 0; i < sizeof(oids) / sizeof(oids[0]); i++)
        if (oids[i] == oid)
            return true;
    return false;
}

/* Without comments, white space, capitals and the last semicolon, outside of quotes. */
static void normalise(struct buf *out, struct str source)
{
    bool quoted = false;

    for (size_t i = 0; i < source.len; i++) {
        char c = source.data[i];

        if (c == '\'')
            quoted = !quoted;
        if (!quoted && c == '-' && i + 1 < source.len && source.data[i + 1] == '-') {
            while (i + 1 < source.len && source.data[i + 1] != '\n')
                i++;
            continue;
        }
        if (!quoted && (c == ' ' || c == '\n' || c == '\t' || c == '\r'))
            continue;
        buf_add_char(out, !quoted && c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c);
    }
    if (str_ends(buf_str(out), STR(";")))
        buf_truncate(out, out->len - 1);
}

#define OWN_SETTING "current_setting('request.jwt.claim.$',true)"
#define CLAIMS_SETTING "current_setting('request.jwt.claims',true)"
#define JWT                                                                                        \
    "selectcoalesce(nullif(current_setting('request.jwt.claim',true),''),"                         \
    "nullif(" CLAIMS_SETTING ",''))::jsonb"

/* $ stands for the claim's name; a cast may follow. */
static const struct {
    const char *form;
    enum known_function is;
} forms[] = {
    {"selectcoalesce(nullif(" OWN_SETTING ",''),nullif(" CLAIMS_SETTING ",'')::jsonb->>'$')",
     KNOWN_CLAIM},
    {"selectcoalesce(nullif(" OWN_SETTING ",''),(nullif(" CLAIMS_SETTING ",'')::jsonb->>'$'))",
     KNOWN_CLAIM},
    {"selectcoalesce(" OWN_SETTING ",(" CLAIMS_SETTING "::jsonb->>'$'))", KNOWN_CLAIM},
    {"selectnullif(coalesce(" OWN_SETTING ",(" CLAIMS_SETTING "::jsonb->>'$')),'')",
     KNOWN_CLAIM_OR_NULL},
};

static bool is_form(const char *form, struct str claim, struct str text)
{
    struct buf wanted;
    bool same;

    buf_init(&wanted, MAX_SOURCE);
    for (; *form; form++) {
        if (*form == '$')
            buf_add_str(&wanted, claim);
        else
            buf_add_char(&wanted, *form);
    }
    same = buf_ok(&wanted) && str_eq(text, buf_str(&wanted));
    buf_fini(&wanted);
    return same;
}

/* What is cast to uuid in the end has to be returned as that: as text it would be another function.
 */
static bool skip_cast(struct str *text, uint32_t result)
{
    struct str cast = result == TYPE_OID_UUID ? STR("::uuid") : STR("::text");

    if (str_ends(*text, cast))
        *text = str_from(text->data, text->len - cast.len);
    else if (result != TYPE_OID_TEXT)
        return false;
    return result == TYPE_OID_TEXT || result == TYPE_OID_UUID;
}

static enum known_function find_form(struct str text, uint32_t result, struct str *claim)
{
    static const struct str claims[] = {STR("sub"), STR("role"), STR("email")};

    if (result == TYPE_OID_JSONB && str_eq(text, STR(JWT)))
        return KNOWN_CLAIMS;
    if (!skip_cast(&text, result))
        return KNOWN_NO_FUNCTION;
    for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++)
        for (size_t f = 0; f < sizeof(forms) / sizeof(forms[0]); f++)
            if (is_form(forms[f].form, claims[i], text)) {
                *claim = claims[i];
                return forms[f].is;
            }
    return KNOWN_NO_FUNCTION;
}

enum known_function known_function(struct str source, uint32_t result, struct str *claim)
{
    enum known_function is = KNOWN_NO_FUNCTION;
    struct buf text;

    buf_init(&text, MAX_SOURCE);
    normalise(&text, source);
    if (buf_ok(&text))
        is = find_form(buf_str(&text), result, claim);
    buf_fini(&text);
    return is;
}
