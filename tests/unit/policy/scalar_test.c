#include "policy/scalar.h"
#include "unit.h"

static const struct scalar jsonb = {.kind = SCALAR_CLAIMS, .type = TYPE_OID_JSONB};
static const struct scalar json = {.kind = SCALAR_CLAIMS, .type = TYPE_OID_JSON};

static struct scalar field(const struct scalar *document, const struct str *path, size_t path_len)
{
    return (struct scalar){.kind = SCALAR_FIELD,
                           .type = TYPE_OID_TEXT,
                           .class = CLASS_TEXT,
                           .as_text = true,
                           .left = document,
                           .path = path,
                           .path_len = path_len};
}

enum { KNOWN = DATUM_KNOWN, NOTHING = DATUM_NULL, UNSURE = DATUM_UNSURE, RAISES = DATUM_RAISES };

static void test_fields(void **state)
{
    static const struct {
        const char *says, *claims, *path; /* steps are separated by a slash */
        int state;
        const char *value, *in_json; /* NULL: the same in json; "?": unsure there */
    } rows[] = {
        {"a string", "{\"a\":\"x\"}", "a", KNOWN, "x", NULL},
        {"escapes", "{\"a\":\"\\u0061\\n\"}", "a", KNOWN, "a\n", NULL},
        {"the empty string", "{\"a\":\"\"}", "a", KNOWN, "", NULL},
        {"true", "{\"a\":true}", "a", KNOWN, "true", NULL},
        {"false", "{\"a\":false}", "a", KNOWN, "false", NULL},
        {"null", "{\"a\":null}", "a", NOTHING, "", NULL},
        {"missing", "{\"a\":1}", "b", NOTHING, "", NULL},
        {"an integer, which json keeps as it was written", "{\"a\":12}", "a", KNOWN, "12", "?"},
        {"a negative one", "{\"a\":-12}", "a", KNOWN, "-12", "?"},
        {"minus zero", "{\"a\":-0}", "a", KNOWN, "0", "?"},
        {"a fraction", "{\"a\":1.50}", "a", UNSURE, "", NULL},
        {"a number beyond 64 bits", "{\"a\":99999999999999999999}", "a", UNSURE, "", NULL},
        {"an object", "{\"a\":{}}", "a", UNSURE, "", NULL},
        {"a list", "{\"a\":[1]}", "a", UNSURE, "", NULL},
        {"deeper", "{\"a\":{\"b\":\"x\"}}", "a/b", KNOWN, "x", NULL},
        {"deeper than there is", "{\"a\":{\"b\":\"x\"}}", "a/b/c", NOTHING, "", NULL},
        {"into null", "{\"a\":null}", "a/b", NOTHING, "", NULL},
        {"into a list", "{\"a\":[\"x\"]}", "a/0", UNSURE, "", NULL},
        {"a key that is there twice", "{\"a\":1,\"a\":2}", "b", UNSURE, "", NULL},
        {"no JSON", "{", "a", UNSURE, "", NULL},
        {"nothing", "", "a", UNSURE, "", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (int in_json = 0; in_json < 2; in_json++) {
            struct claims *claims = claims_open(str_c(rows[i].claims));
            struct str path[3], rest = str_c(rows[i].path);
            bool other = in_json && rows[i].in_json;
            struct scalar scalar;
            struct arena arena;
            struct datum datum;
            size_t steps = 0;

            while (rest.len > 0)
                str_split(rest, '/', &path[steps++], &rest);
            arena_init(&arena);
            scalar = field(in_json ? &json : &jsonb, path, steps);
            datum = scalar_value(&scalar, claims, &arena);
            CHECK((int)datum.state == (other ? UNSURE : rows[i].state), rows[i].says);
            if (datum.state == DATUM_KNOWN)
                CHECK_STR(datum.text, str_c(rows[i].value), rows[i].says);
            arena_fini(&arena);
            claims_close(claims);
        }
}

static struct scalar constant(struct datum value)
{
    return (struct scalar){
        .kind = SCALAR_CONSTANT, .type = TYPE_OID_TEXT, .class = CLASS_TEXT, .value = value};
}

static void test_pairs(void **state)
{
    const struct datum a = {.text = STR("a")}, b = {.text = STR("b")};
    const struct datum nothing = {.state = DATUM_NULL}, unsure = {.state = DATUM_UNSURE},
                       raises = {.state = DATUM_RAISES};
    const struct {
        const char *says;
        enum scalar_kind kind;
        struct datum left, right;
        int state;
        const char *value;
    } rows[] = {
        {"the first", SCALAR_COALESCE, a, b, KNOWN, "a"},
        {"the second", SCALAR_COALESCE, nothing, b, KNOWN, "b"},
        {"neither", SCALAR_COALESCE, nothing, nothing, NOTHING, ""},
        {"the second is not looked at", SCALAR_COALESCE, a, raises, KNOWN, "a"},
        {"the first fails", SCALAR_COALESCE, raises, a, RAISES, ""},
        {"the first may be NULL", SCALAR_COALESCE, unsure, a, UNSURE, ""},
        {"equal", SCALAR_NULLIF, a, a, NOTHING, ""},
        {"unequal", SCALAR_NULLIF, a, b, KNOWN, "a"},
        {"unequal to NULL", SCALAR_NULLIF, a, nothing, KNOWN, "a"},
        {"NULL", SCALAR_NULLIF, nothing, a, NOTHING, ""},
        {"perhaps equal", SCALAR_NULLIF, a, unsure, UNSURE, ""},
        {"the second fails", SCALAR_NULLIF, a, raises, RAISES, ""},
    };
    struct claims *claims = claims_open(STR("{}"));
    struct arena arena;

    (void)state;
    arena_init(&arena);
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct scalar left = constant(rows[i].left), right = constant(rows[i].right);
        const struct scalar pair = {.kind = rows[i].kind,
                                    .type = TYPE_OID_TEXT,
                                    .class = CLASS_TEXT,
                                    .left = &left,
                                    .right = &right};
        struct datum datum = scalar_value(&pair, claims, &arena);

        CHECK((int)datum.state == rows[i].state, rows[i].says);
        if (datum.state == DATUM_KNOWN)
            CHECK_STR(datum.text, str_c(rows[i].value), rows[i].says);
    }
    arena_fini(&arena);
    claims_close(claims);
}

static void test_whole(void **state)
{
    const struct scalar setting = {
        .kind = SCALAR_SETTING, .type = TYPE_OID_TEXT, .class = CLASS_TEXT};
    struct claims *claims = claims_open(STR("{\"a\": 1}"));
    struct arena arena;

    (void)state;
    arena_init(&arena);
    CHECK_STR(scalar_value(&setting, claims, &arena).text, STR("{\"a\": 1}"), "as it was written");
    assert_int_equal(scalar_value(&jsonb, claims, &arena).state, DATUM_UNSURE);
    arena_fini(&arena);
    claims_close(claims);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
