#include "fixture.h"

#include "base/clock.h"
#include "pg/copy.h"

static void add_header(struct buf *out)
{
    copy_add_header(out);
}

static void add_trailer(struct buf *out)
{
    copy_add_trailer(out);
}

static void add_row(struct buf *out)
{
    copy_begin_row(out, 10);
}

static void add_null(struct buf *out)
{
    copy_add_null(out);
}

static void add_int64(struct buf *out)
{
    copy_add_int64(out, 0x0102030405060708);
}

static void add_negative(struct buf *out)
{
    copy_add_int64(out, -2);
}

static void add_epoch(struct buf *out)
{
    copy_add_timestamptz(out, CLOCK_PG_EPOCH_US);
}

static void add_1999(struct buf *out)
{
    copy_add_timestamptz(out, CLOCK_PG_EPOCH_US - 1);
}

static void add_uuid(struct buf *out)
{
    static const uint8_t uuid[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255};

    copy_add_uuid(out, uuid);
}

static void add_text(struct buf *out)
{
    copy_add_text(out, STR("h\xc3\xa9"));
}

static void add_empty_text(struct buf *out)
{
    copy_add_text(out, STR(""));
}

static void add_v4(struct buf *out)
{
    assert_true(copy_add_inet(out, STR("203.0.113.9")));
}

static void add_v6(struct buf *out)
{
    assert_true(copy_add_inet(out, STR("2001:db8::1")));
}

static void add_field(struct buf *out)
{
    size_t begun = copy_begin_field(out);

    buf_add_c(out, "abc");
    buf_add_c(out, "de");
    copy_end_field(out, begun);
}

static void add_jsonb(struct buf *out)
{
    size_t begun = copy_begin_jsonb(out);

    buf_add_c(out, "{}");
    copy_end_field(out, begun);
}

static void add_array(struct buf *out)
{
    size_t begun = copy_begin_text_array(out);

    copy_add_text(out, STR("a"));
    copy_add_text(out, STR("bc"));
    copy_end_text_array(out, begun, 2);
}

static void add_empty_array(struct buf *out)
{
    copy_end_text_array(out, copy_begin_text_array(out), 0);
}

static const struct {
    const char *says;
    void (*add)(struct buf *out);
    struct str bytes;
} rows[] = {
    {"the signature, no flags, no extension", add_header,
     STR("PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0")},
    {"the trailer is a row of -1 fields", add_trailer, STR("\xff\xff")},
    {"a row begins with its number of fields", add_row, STR("\0\x0a")},
    {"NULL is the length -1", add_null, STR("\xff\xff\xff\xff")},
    {"bigint is big-endian", add_int64, STR("\0\0\0\x08\1\2\3\4\5\6\7\x08")},
    {"and in two's complement", add_negative, STR("\0\0\0\x08\xff\xff\xff\xff\xff\xff\xff\xfe")},
    {"time counts from the year 2000", add_epoch, STR("\0\0\0\x08\0\0\0\0\0\0\0\0")},
    {"and backwards before it", add_1999, STR("\0\0\0\x08\xff\xff\xff\xff\xff\xff\xff\xff")},
    {"a uuid is its bytes", add_uuid,
     STR("\0\0\0\x10\0\1\2\3\4\5\6\7\x08\x09\x0a\x0b\x0c\x0d\x0e\xff")},
    {"text is counted in bytes", add_text, STR("\0\0\0\3h\xc3\xa9")},
    {"empty text is not NULL", add_empty_text, STR("\0\0\0\0")},
    {"inet: family 2, 32 bits, no cidr, 4 bytes", add_v4,
     STR("\0\0\0\x08\x02\x20\0\x04\xcb\0\x71\x09")},
    {"and family 3, 128 bits, 16 bytes", add_v6,
     STR("\0\0\0\x14\x03\x80\0\x10\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1")},
    {"a field's length is known at its end", add_field, STR("\0\0\0\5abcde")},
    {"jsonb has version 1 in front, which counts", add_jsonb, STR("\0\0\0\3\1{}")},
    {"text[]: one dimension, no NULLs, oid 25, two elements from 1", add_array,
     STR("\0\0\0\x1f\0\0\0\1\0\0\0\0\0\0\0\x19\0\0\0\2\0\0\0\1\0\0\0\1a\0\0\0\2bc")},
    {"an empty array has no dimensions", add_empty_array,
     STR("\0\0\0\x0c\0\0\0\0\0\0\0\0\0\0\0\x19")},
};

static void test_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf out;

        buf_init(&out, 1024);
        rows[i].add(&out);
        assert_true(buf_ok(&out));
        check_bytes(rows[i].says, buf_str(&out), rows[i].bytes);
        buf_fini(&out);
    }
}

static void test_no_addresses(void **state)
{
    static const char *const texts[] = {
        "",
        "unknown",
        "1.2.3",
        "1.2.3.4:80",
        "[::1]",
        "1.2.3.4/8",
        "fe80::1%eth0",
        "1.2.3.4 ",
        "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"};

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct buf out;

        buf_init(&out, 64);
        if (copy_add_inet(&out, str_c(texts[i])) || out.len > 0)
            fail_msg("\"%s\" was taken", texts[i]);
        buf_fini(&out);
    }
}

/* What does not fit marks the buffer; what was there before is not touched. */
static void test_full(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (size_t max = 0; max < rows[i].bytes.len; max++) {
            struct buf out;

            buf_init(&out, 4 + max);
            buf_add_c(&out, "kept");
            rows[i].add(&out);
            /* the empty array is first written as one that is not empty */
            if (buf_ok(&out))
                fail_msg("%s: it fits into %zu bytes", rows[i].says, max);
            check_text(rows[i].says, str_from(out.data, 4), "kept");
            buf_fini(&out);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_no_addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
