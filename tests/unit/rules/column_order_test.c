#include "fixture.h"

#include "rules/image.h"

#define ROW(columns)                                                                               \
    "{\"action\":\"I\",\"schema\":\"public\",\"table\":\"notes\",\"columns\":[" columns            \
    "],\"pk\":[{\"name\":\"id\",\"typeoid\":20}]}"
#define TEXT(name) "{\"name\":\"" name "\",\"typeoid\":25,\"value\":\"\"}"
#define NUMBER(name) "{\"name\":\"" name "\",\"typeoid\":20,\"value\":7}"

/* One table, row after row. The wanted order is that of `select '{...}'::jsonb`. */
static const struct {
    const char *says, *message, *image;
} rows[] = {
    {"a row of columns that are new goes as it is",
     ROW(NUMBER("id") "," TEXT("title") "," TEXT("b")), "{\"id\":7,\"title\":\"\",\"b\":\"\"}"},
    {"the next one has short names first", ROW(NUMBER("id") "," TEXT("title") "," TEXT("b")),
     "{\"b\":\"\",\"id\":7,\"title\":\"\"}"},
    {"and again", ROW(NUMBER("id") "," TEXT("title") "," TEXT("b")),
     "{\"b\":\"\",\"id\":7,\"title\":\"\"}"},
    {"one column less: as it is", ROW(NUMBER("id") "," TEXT("b")), "{\"id\":7,\"b\":\"\"}"},
    {"a type that has changed on the way changes nothing",
     ROW(NUMBER("id") "," NUMBER("title") "," TEXT("b")), "{\"b\":\"\",\"id\":7,\"title\":7}"},
    {"nor does one that changes back", ROW(NUMBER("id") "," TEXT("title") "," TEXT("b")),
     "{\"b\":\"\",\"id\":7,\"title\":\"\"}"},
    {"a new column: as it is",
     ROW(NUMBER("id") "," TEXT("title") "," TEXT("b") "," TEXT("\xc3\xa9")),
     "{\"id\":7,\"title\":\"\",\"b\":\"\",\"\xc3\xa9\":\"\"}"},
    {"then by bytes, of which a letter may have two; and those of one length in their own order",
     ROW(NUMBER("id") "," TEXT("title") "," TEXT("b") "," TEXT("\xc3\xa9")),
     "{\"b\":\"\",\"id\":7,\"\xc3\xa9\":\"\",\"title\":\"\"}"},
    {"a row with other names has all of them, each once",
     ROW(NUMBER("id") "," TEXT("heading") "," TEXT("c") "," TEXT("d")),
     "{\"c\":\"\",\"id\":7,\"d\":\"\",\"heading\":\"\"}"},
};

static void test_order(void **state)
{
    struct types *types = fixture_types();
    struct decoder *decoder = decoder_new_wal2json();
    struct stats stats = {0};
    struct ruleset *rules = ruleset_new(fixture_config(), &stats);

    (void)state;
    ruleset_set_types(rules, types);
    types_unref(types);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct change change = fixture_read(decoder, rows[i].message);
        struct buf image;

        buf_init(&image, 1 << 16);
        image_add_new(&image, rules, ruleset_table(rules, &change), &change, NULL,
                      IMAGE_JSONB_ORDER);
        check_text(rows[i].says, buf_str(&image), rows[i].image);
        buf_fini(&image);
    }
    ruleset_free(rules);
    decoder_free(decoder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
