#include "unit.h"

#include "cli/progress.h"

#define OVER "\r\033[K"
#define TEN "0123456789"

static void writes(void **state)
{
    static const struct row {
        const char *says, *name;
        unsigned percent;
        const char *message, *line;
    } rows[] = {
        {"the figures stand under each other", "a", 7, "7 of 100", OVER "a    7 %  7 of 100"},
        {"at the end too", "a", 100, "all", OVER "a  100 %  all"},
        {"no message yet", "a", 0, "", OVER "a    0 %  "},
        {"no commands to the terminal", "a", 1, "x\n\033[2J", OVER "a    1 %  x??[2J"},
        {"exactly as wide as it may be", "a", 1, TEN TEN TEN TEN TEN TEN "012345678",
         OVER "a    1 %  " TEN TEN TEN TEN TEN TEN "012345678"},
        {"cut to the width", "a", 1, TEN TEN TEN TEN TEN TEN TEN,
         OVER "a    1 %  " TEN TEN TEN TEN TEN TEN "012345678"},
        {"which is counted in letters, and none is cut in two", "a", 1,
         TEN TEN TEN TEN TEN TEN "01234567\xc3\xa9\xc3\xa9",
         OVER "a    1 %  " TEN TEN TEN TEN TEN TEN "01234567\xc3\xa9"},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            struct buf out;

            buf_init(&out, 4096);
            progress_write(&out, r->name, r->percent, r->message);
            CHECK_STR(buf_str(&out), str_c(r->line), r->says);
            buf_fini(&out);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes),
    };

    return cmocka_run_group_tests_name("cli/progress", tests, NULL, NULL);
}
