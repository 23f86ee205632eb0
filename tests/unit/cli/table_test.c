#include "unit.h"

#include <jansson.h>

#include "cli/table.h"

static const struct table_column columns[] = {
    {"name", "name", false}, {"runs", "runs", true}, {"error", "last error", false}};

static void writes(void **state)
{
    static const struct row {
        const char *says, *rows, *table;
    } rows[] = {
        {"only headings", "[]", "name  runs  last error\n"},
        {"cells as wide as the widest",
         "[{\"name\":\"a\",\"runs\":1,\"error\":\"x\"},{\"name\":\"longer\",\"runs\":12345}]",
         "name     runs  last error\na           1  x\nlonger  12345  -\n"},
        {"null and nothing are a dash", "[{\"name\":null}]",
         "name  runs  last error\n-        -  -\n"},
        {"letters, not bytes", "[{\"name\":\"\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\",\"runs\":1}]",
         "name   runs  last error\n\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9     1  -\n"},
        {"no commands to the terminal", "[{\"name\":\"\\u001b[2J\\n\",\"runs\":true}]",
         "name   runs  last error\n?[2J?   yes  -\n"},
        {"what is no scalar is JSON", "[{\"name\":[1,{\"a\":2}]}]",
         "name         runs  last error\n[1,{\"a\":2}]     -  -\n"},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            json_t *value = json_loads(r->rows, 0, NULL);
            struct buf out;

            buf_init(&out, 65536);
            table_write(&out, value, columns, COUNT(columns));
            CHECK_STR(buf_str(&out), str_c(r->table), r->says);
            buf_fini(&out);
            json_decref(value);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes),
    };

    return cmocka_run_group_tests_name("cli/table", tests, NULL, NULL);
}
