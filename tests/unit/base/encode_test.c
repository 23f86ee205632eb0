#include "unit.h"

#include "base/encode.h"

static void encodes_base64(void **state)
{
    /* RFC 4648, section 10 */
    static const char *const rows[][2] = {{"", ""},
                                          {"f", "Zg=="},
                                          {"fo", "Zm8="},
                                          {"foo", "Zm9v"},
                                          {"foob", "Zm9vYg=="},
                                          {"fooba", "Zm9vYmE="},
                                          {"foobar", "Zm9vYmFy"},
                                          {"\xfb\xff\xfe", "+//+"}};
    struct buf out;

    (void)state;
    buf_init(&out, 100);
    for (size_t i = 0; i < COUNT(rows); i++) {
        buf_clear(&out);
        base64_encode(&out, (const uint8_t *)rows[i][0], strlen(rows[i][0]));
        CHECK_STR(buf_str(&out), str_c(rows[i][1]), rows[i][1]);
        buf_clear(&out);
        CHECK(base64_decode(&out, str_c(rows[i][1])), rows[i][1]);
        CHECK_STR(buf_str(&out), str_c(rows[i][0]), rows[i][1]);
    }
    buf_fini(&out);
}

static void encodes_base64url(void **state)
{
    /* the same without padding and with the other two letters (RFC 4648, section 5) */
    static const char *const rows[][2] = {{"", ""},           {"f", "Zg"},
                                          {"fo", "Zm8"},      {"foo", "Zm9v"},
                                          {"foob", "Zm9vYg"}, {"\xfb\xff\xfe", "-__-"}};
    struct buf out;

    (void)state;
    buf_init(&out, 100);
    for (size_t i = 0; i < COUNT(rows); i++) {
        buf_clear(&out);
        base64url_encode(&out, (const uint8_t *)rows[i][0], strlen(rows[i][0]));
        CHECK_STR(buf_str(&out), str_c(rows[i][1]), rows[i][1]);
        buf_clear(&out);
        CHECK(base64_decode(&out, str_c(rows[i][1])), rows[i][1]);
        CHECK_STR(buf_str(&out), str_c(rows[i][0]), rows[i][1]);
    }
    buf_fini(&out);
}

static void decodes_base64(void **state)
{
    static const struct row {
        const char *says, *text;
        const char *plain; /* NULL: refused */
    } rows[] = {
        {"without padding", "Zm8", "fo"},
        {"with half of it", "Zg=", "f"},
        {"the URL alphabet", "-__-", "\xfb\xff\xfe"},
        {"one digit is no byte", "Z", NULL},
        {"five digits", "Zm9vY", NULL},
        {"white space", "Zm 9v", NULL},
        {"padding in the middle", "Zg==Zg==", NULL},
        {"too much padding", "Zg===", NULL},
        {"only padding", "====", NULL},
        {"another byte", "Zm9*", NULL},
    };
    struct buf out;

    (void)state;
    buf_init(&out, 100);
    for
        EACH(struct row, r, rows)
        {
            buf_clear(&out);
            buf_add_c(&out, "kept:");
            CHECK(base64_decode(&out, str_c(r->text)) == (r->plain != NULL), r->says);
            CHECK(str_starts(buf_str(&out), STR("kept:")), r->says);
            CHECK_STR(str_from(out.data + 5, out.len - 5), str_c(r->plain), r->says);
        }
    buf_fini(&out);
}

static void encodes_hex(void **state)
{
    static const uint8_t bytes[] = {0x00, 0x0f, 0xa5, 0xff};
    struct buf out;

    (void)state;
    buf_init(&out, 100);
    hex_encode(&out, bytes, sizeof(bytes));
    hex_encode(&out, NULL, 0);
    CHECK_STR(buf_str(&out), STR("000fa5ff"), "lower case, two digits a byte");
    buf_fini(&out);
}

static void decodes_hex(void **state)
{
    static const struct row {
        const char *says, *text;
        const char *plain; /* NULL: refused */
    } rows[] = {
        {"nothing", "", ""},
        {"lower case", "6a6f7a", "joz"},
        {"upper case", "6A6F7A", "joz"},
        {"half a byte", "6a6", NULL},
        {"another letter", "6g", NULL},
        {"another letter in front", "g6", NULL},
        {"a sign", "-1", NULL},
        {"white space", "6a 6f", NULL},
    };
    struct buf out;

    (void)state;
    buf_init(&out, 100);
    for
        EACH(struct row, r, rows)
        {
            buf_clear(&out);
            buf_add_c(&out, "kept:");
            CHECK(hex_decode(&out, str_c(r->text)) == (r->plain != NULL), r->says);
            CHECK(str_starts(buf_str(&out), STR("kept:")), r->says);
            CHECK_STR(str_from(out.data + 5, out.len - 5), str_c(r->plain), r->says);
        }
    CHECK(!hex_decode(&out, str_from("6a6f", 3)), "a digit behind the end is not read");
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodes_base64), cmocka_unit_test(encodes_base64url),
        cmocka_unit_test(decodes_base64), cmocka_unit_test(encodes_hex),
        cmocka_unit_test(decodes_hex),
    };

    return cmocka_run_group_tests_name("base/encode", tests, NULL, NULL);
}
