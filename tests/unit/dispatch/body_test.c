#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those before it */
#include <cmocka.h>

#include "dispatch/body.h"

static const struct row {
    const char *says;
    const char *payload;
    lsn_t commit_lsn;
    uint64_t ordinal;
} rows[] = {
    {"as the pipeline writes it",
     "{\"type\":\"memories.insert\",\"timestamp\":\"2026-01-01T00:00:00Z\",\"data\":{\"schema\":"
     "\"public\","
     "\"record\":{\"id\":1},\"old_record\":null,\"commit_lsn\":\"1/16B3748\",\"ordinal\":7}}",
     0x1016b3748, 7},
    {"numbers of any size in the row are passed over",
     "{\"data\":{\"record\":{\"n\":123456789012345678901234567890.5e400,\"ordinal\":1},"
     "\"commit_lsn\":\"0/1\",\"ordinal\":18446744073709551615}}",
     1, UINT64_MAX},
    {"the row's own columns are not taken for it",
     "{\"data\":{\"record\":{\"commit_lsn\":\"9/9\",\"ordinal\":9},\"commit_lsn\":\"0/"
     "2\",\"ordinal\":3}}",
     2, 3},
    {"nor are strings that look like it",
     "{\"data\":{\"record\":{\"t\":\"\\\",\\\"ordinal\\\":4}\"},\"commit_lsn\":\"0/"
     "2\",\"ordinal\":3}}",
     2, 3},
    {"white space", " { \"data\" : { \"ordinal\" : 3 , \"commit_lsn\" : \"0/2\" } } ", 2, 3},
    {"arrays in arrays",
     "{\"a\":[[1,{\"b\":[]}],2],\"data\":{\"x\":[[]],\"ordinal\":3,\"commit_lsn\":\"0/2\"}}", 2, 3},
    {"an ordinal as a string", "{\"data\":{\"ordinal\":\"3\",\"commit_lsn\":\"0/2\"}}", 2, 3},
    {"neither is there", "{\"data\":{\"schema\":\"public\"}}", 0, 0},
    {"they are no such things", "{\"data\":{\"ordinal\":3.5,\"commit_lsn\":12}}", 0, 0},
    {"data is no object", "{\"data\":[1,2]}", 0, 0},
    {"no data", "{\"type\":\"x\"}", 0, 0},
    {"empty", "{}", 0, 0},
    {"not an object", "[1]", 0, 0},
    {"nothing", "", 0, 0},
    {"cut in a string", "{\"data\":{\"ordinal", 0, 0},
    {"cut in an object", "{\"data\":{\"ordinal\":3", 0, 0},
    {"cut behind a colon", "{\"data\":", 0, 0},
};

static const struct id {
    const char *says;
    const char *id;
    lsn_t commit_lsn;
    uint64_t ordinal;
} ids[] = {
    {"as the pipeline makes them", "msg_101a2b3f8_3_660e9783ae5b0_ccddeeff", 0x101a2b3f8, 3},
    {"the longest one", "msg_ffffffffffffffff_ffffffffffffffff_7fffffffffffffff_ffffffff",
     UINT64_MAX, UINT64_MAX},
    {"another one's", "order_1_2_3", 0, 0},
    {"a UUID", "5a2ad9ac-3b0e-4b8d-8d0c-0d4bb8d9b6f1", 0, 0},
    {"no number", "msg_1z_3_5_7", 0, 0},
    {"too long a number", "msg_10000000000000000_3_5_7", 0, 0},
    {"only one", "msg_1", 0, 0},
    {"nothing", "", 0, 0},
};

static void reads_the_origin_of_an_id(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        struct body_origin got = body_origin_of_id(str_c(ids[i].id));

        if (got.commit_lsn != ids[i].commit_lsn || got.ordinal != ids[i].ordinal)
            fail_msg("%s: %llx %llu", ids[i].says, (unsigned long long)got.commit_lsn,
                     (unsigned long long)got.ordinal);
    }
}

static void reads_the_origin(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct body_origin got = body_origin(str_c(rows[i].payload));

        if (got.commit_lsn != rows[i].commit_lsn || got.ordinal != rows[i].ordinal)
            fail_msg("%s: %llx %llu", rows[i].says, (unsigned long long)got.commit_lsn,
                     (unsigned long long)got.ordinal);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_the_origin_of_an_id),
                                       cmocka_unit_test(reads_the_origin)};

    return cmocka_run_group_tests_name("dispatch/body", tests, NULL, NULL);
}
