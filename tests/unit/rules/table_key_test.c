#include "fixture.h"

#include "rules/ruleset.h"

#define ROW(action, rest)                                                                          \
    "{\"action\":\"" action "\",\"schema\":\"public\",\"table\":\"notes\",\"columns\":["           \
    "{\"name\":\"id\",\"typeoid\":20,\"value\":7}]" rest "}"
#define PK(name) ",\"pk\":[{\"name\":\"" name "\",\"typeoid\":20}]"

static const struct {
    const char *says, *message, *key;
} rows[] = {
    {"nothing is known of a table's first row", ROW("I", ""), ""},
    {"a key that is said", ROW("I", PK("id")), "id"},
    {"one that is left out is the one before", ROW("I", ""), "id"},
    {"also of an update", ROW("U", ",\"identity\":[]"), "id"},
    {"not of a TRUNCATE", "{\"action\":\"T\",\"schema\":\"public\",\"table\":\"notes\"}", ""},
    {"another key", ROW("I", PK("other")), "other"},
    {"is the one from then on", ROW("I", ""), "other"},
    {"a key of two columns", ROW("I", ",\"pk\":[{\"name\":\"id\"},{\"name\":\"other\"}]"),
     "id other"},
    {"and again", ROW("I", ""), "id other"},
    {"and of one", ROW("I", PK("id")), "id"},
    {"and again", ROW("I", ""), "id"},
};

static void test_key(void **state)
{
    struct decoder *decoder = decoder_new_wal2json();
    struct table_rules table = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct change change = fixture_read(decoder, rows[i].message);
        struct buf key;

        table_rules_mend_key(&table, &change);
        buf_init(&key, 1024);
        for (size_t k = 0; k < change.key_count; k++)
            buf_addf(&key, k ? " %.*s" : "%.*s", STR_ARG(change.key[k]));
        check_text(rows[i].says, buf_str(&key), rows[i].key);
        buf_fini(&key);
    }
    table_rules_forget_key(&table);
    decoder_free(decoder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_key)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
