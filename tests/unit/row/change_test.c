#include "unit.h"

#include "row/change.h"

#define COLUMN(n, v)                                                                               \
    {                                                                                              \
        .name = STR(n), .type = 25, .form = VALUE_TEXT, .value = STR(v)                            \
    }

static const struct column new_row[] = {COLUMN("id", "1"), COLUMN("title", "new"),
                                        COLUMN("size", "9")};
static const struct column new_without_toast[] = {COLUMN("id", "1"), COLUMN("size", "9")};
static const struct column old_row[] = {COLUMN("id", "1"), COLUMN("title", "old"),
                                        COLUMN("size", "8")};
static const struct column old_key[] = {COLUMN("id", "1")};
static const struct column old_other_index[] = {COLUMN("title", "old"), COLUMN("size", "8")};
static const struct column old_shuffled[] = {COLUMN("size", "8"), COLUMN("title", "old"),
                                             COLUMN("id", "1")};
static const struct str key[] = {STR("id")};

#define ROW(array)                                                                                 \
    {                                                                                              \
        array, COUNT(array)                                                                        \
    }
#define KEYED .key = key, .key_count = 1

static void names_kinds(void **state)
{
    static const struct row {
        enum change_kind kind;
        const char *verb;
        bool is_row;
    } rows[] = {
        {CHANGE_BEGIN, "begin", false},     {CHANGE_COMMIT, "commit", false},
        {CHANGE_INSERT, "insert", true},    {CHANGE_UPDATE, "update", true},
        {CHANGE_DELETE, "delete", true},    {CHANGE_TRUNCATE, "truncate", true},
        {CHANGE_MESSAGE, "message", false},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            struct change change = {.kind = r->kind};

            CHECK_STR(change_verb(r->kind), str_c(r->verb), r->verb);
            CHECK(change_is_row(&change) == r->is_row, r->verb);
        }
}

static void knows_a_full_identity(void **state)
{
    static const struct row {
        const char *says;
        struct change change;
        bool full;
    } rows[] = {
        {"an INSERT has no old row", {CHANGE_INSERT, KEYED, .record = ROW(new_row)}, false},
        {"an UPDATE with all columns",
         {CHANGE_UPDATE, KEYED, .record = ROW(new_row), .identity = ROW(old_row)},
         true},
        {"whatever their order",
         {CHANGE_UPDATE, KEYED, .record = ROW(new_row), .identity = ROW(old_shuffled)},
         true},
        {"an UPDATE of a TOASTed row: the old row has more than the new",
         {CHANGE_UPDATE, KEYED, .record = ROW(new_without_toast), .identity = ROW(old_row)},
         true},
        {"an UPDATE with the key only",
         {CHANGE_UPDATE, KEYED, .record = ROW(new_row), .identity = ROW(old_key)},
         false},
        {"an UPDATE with another index",
         {CHANGE_UPDATE, KEYED, .record = ROW(new_row), .identity = ROW(old_other_index)},
         false},
        {"a DELETE with all columns", {CHANGE_DELETE, KEYED, .identity = ROW(old_row)}, true},
        {"a DELETE with the key only", {CHANGE_DELETE, KEYED, .identity = ROW(old_key)}, false},
        {"a DELETE with another index: the key is not in it",
         {CHANGE_DELETE, KEYED, .identity = ROW(old_other_index)},
         false},
        {"a DELETE of a table without a key", {CHANGE_DELETE, .identity = ROW(old_row)}, true},
        {"a TRUNCATE", {CHANGE_TRUNCATE, KEYED}, false},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
    CHECK(change_has_full_identity(&r->change) == r->full, r->says);
}

static void finds_current_values(void **state)
{
    static const struct row {
        const char *says;
        struct change change;
        const char *column;
        const char *value; /* NULL: none */
    } rows[] = {
        {"the new value",
         {CHANGE_UPDATE, KEYED, .record = ROW(new_row), .identity = ROW(old_row)},
         "title",
         "new"},
        {"a TOASTed value that did not change comes from the old row",
         {CHANGE_UPDATE, KEYED, .record = ROW(new_without_toast), .identity = ROW(old_row)},
         "title",
         "old"},
        {"not from another index, which says nothing of the new row",
         {CHANGE_UPDATE, KEYED, .record = ROW(new_without_toast), .identity = ROW(old_other_index)},
         "title",
         NULL},
        {"a DELETE has the old row",
         {CHANGE_DELETE, KEYED, .identity = ROW(old_row)},
         "title",
         "old"},
        {"or its key", {CHANGE_DELETE, KEYED, .identity = ROW(old_key)}, "id", "1"},
        {"no such column", {CHANGE_INSERT, KEYED, .record = ROW(new_row)}, "titl", NULL},
        {"nothing at all", {.kind = CHANGE_TRUNCATE}, "id", NULL},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            const struct column *found = change_current(&r->change, str_c(r->column));

            CHECK((found != NULL) == (r->value != NULL), r->says);
            if (found)
                CHECK_STR(found->value, str_c(r->value), r->says);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_kinds),
        cmocka_unit_test(knows_a_full_identity),
        cmocka_unit_test(finds_current_values),
    };

    return cmocka_run_group_tests_name("row/change", tests, NULL, NULL);
}
