#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "embedded.h"
#include "jobs/export.h"

static char folder[] = "/tmp/pgherald-export-test-XXXXXX";

static const char *path(const char *name)
{
    static char out[256];

    snprintf(out, sizeof(out), "%s/%s", folder, name);
    return out;
}

static bool holds(const char *name, const char *text)
{
    char content[256] = "";
    FILE *file = fopen(path(name), "r");

    if (!file)
        return false;
    content[fread(content, 1, sizeof(content) - 1, file)] = '\0';
    fclose(file);
    return strcmp(content, text) == 0;
}

static enum result page(struct export *export, const char *table, const char *id,
                        const char *entries, const char *lines, struct err *err)
{
    const struct str columns[EXPORT_COLUMNS] = {str_c(table), str_c(id), STR("2020-01-01 00:00Z"),
                                                str_c(entries), str_c(lines)};

    return export_take(export, columns, 1, err);
}

static enum result nothing(struct export *export, struct err *err)
{
    const struct str columns[EXPORT_COLUMNS] = {{0}};

    return export_take(export, columns, 0, err);
}

static void goes_from_page_to_page(void **state)
{
    struct export *export = export_new(folder);
    struct export_query query;
    struct stat status;
    struct err err;

    (void)state;
    export_next(export, &query);
    CHECK(query.sql == sql_jobs_export_page && query.count == 3, "it asks for lines");
    CHECK(!query.params[0] && !query.params[1] && !query.params[2], "of the first table");
    assert_int_equal(page(export, "audit_logs_2020_01", "7", "2", "{1}\n{2}\n", &err), OK);
    export_next(export, &query);
    assert_string_equal(query.params[0], "audit_logs_2020_01");
    assert_string_equal(query.params[1], "7");
    assert_string_equal(query.params[2], "2020-01-01 00:00Z");
    CHECK(access(path("audit_logs_2020_01.ndjson"), F_OK) != 0,
          "no file of that name before its end");
    assert_int_equal(page(export, "audit_logs_2020_01", "9", "1", "{3}\n", &err), OK);
    assert_int_equal(page(export, "audit_logs_2020_01", "", "0", "", &err), OK);
    CHECK(holds("audit_logs_2020_01.ndjson", "{1}\n{2}\n{3}\n"), "all lines, in their order");
    assert_int_equal(stat(path("audit_logs_2020_01.ndjson"), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    export_next(export, &query);
    CHECK(query.sql == sql_jobs_export_finish && query.count == 4, "then the table may go");
    assert_string_equal(query.params[0], "audit_logs_2020_01");
    assert_string_equal(query.params[2], path("audit_logs_2020_01.ndjson"));
    assert_string_equal(query.params[3], "3");
    assert_int_equal(page(export, "", "", "", "", &err), OK);
    export_next(export, &query);
    CHECK(query.sql == sql_jobs_export_page && !query.params[0] && !query.params[1],
          "and the next one is asked for, from its beginning");
    assert_int_equal(page(export, "audit_logs_2020_02", "", "0", "", &err), OK);
    CHECK(holds("audit_logs_2020_02.ndjson", ""), "a month without entries is an empty file");
    assert_int_equal(page(export, "", "", "", "", &err), OK);
    assert_int_equal(nothing(export, &err), OK);
    export_next(export, &query);
    CHECK(!query.sql, "until nothing waits");
    export_free(export);
}

static void what_is_not_complete_has_no_name(void **state)
{
    struct export *export = export_new(folder);
    struct err err;

    (void)state;
    assert_int_equal(page(export, "audit_logs_2020_03", "1", "1", "{1}\n", &err), OK);
    export_free(export);
    CHECK(holds("audit_logs_2020_03.ndjson.part", "{1}\n"), "it is left aside");
    CHECK(access(path("audit_logs_2020_03.ndjson"), F_OK) != 0, "and is no export");
    export = export_new(folder);
    assert_int_equal(page(export, "audit_logs_2020_03", "2", "1", "{2}\n", &err), OK);
    assert_int_equal(page(export, "audit_logs_2020_03", "", "0", "", &err), OK);
    export_free(export);
    CHECK(holds("audit_logs_2020_03.ndjson", "{2}\n"), "the next attempt begins anew");
}

static void refuses(void **state)
{
    static const struct {
        const char *says, *folder, *table, *entries, *message;
    } cases[] = {
        {"no folder", "", "audit_logs_2020_01", "1", "audit_export_dir"},
        {"a folder that is none", "/nowhere", "audit_logs_2020_01", "1",
         "could not make /nowhere/"},
        {"a name that leaves the folder", "/tmp", "../etc/x", "1", "no name of a partition"},
        {"no name", "/tmp", "", "1", "no name of a partition"},
        {"a number that is none", folder, "audit_logs_2020_01", "x", "pgherald init"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct export *export = export_new(cases[i].folder);
        struct err err = {""};

        if (page(export, cases[i].table, "1", cases[i].entries, "{}\n", &err) == OK ||
            !strstr(err.message, cases[i].message))
            fail_msg("%s: %s", cases[i].says, err.message);
        export_free(export);
    }
}

static void nothing_waits_and_no_folder_is_needed(void **state)
{
    struct export *export = export_new("");
    struct export_query query;
    struct err err;

    (void)state;
    assert_int_equal(nothing(export, &err), OK);
    export_next(export, &query);
    CHECK(!query.sql, "it is done");
    export_free(export);
    export_free(NULL);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    static const char *const names[] = {"audit_logs_2020_01.ndjson",
                                        "audit_logs_2020_01.ndjson.part",
                                        "audit_logs_2020_02.ndjson", "audit_logs_2020_03.ndjson"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        unlink(path(names[i]));
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_from_page_to_page),
        cmocka_unit_test(what_is_not_complete_has_no_name),
        cmocka_unit_test(refuses),
        cmocka_unit_test(nothing_waits_and_no_folder_is_needed),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
