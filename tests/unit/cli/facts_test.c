#include "unit.h"

#include "cli/facts.h"
#include "cli/migrate.h"

static void reads_plugin_lists(void **state)
{
    static const struct row {
        const char *says, *libraries;
        bool listed;
    } rows[] = {
        {"the default", "pgoutput, test_decoding", false},
        {"added", "pgoutput, test_decoding, wal2json", true},
        {"alone", "wal2json", true},
        {"in quotes", "\"pgoutput\", \"wal2json\"", true},
        {"in quotes, in front", "\"wal2json\" , pgoutput", true},
        {"what alter system makes of one string: one name", "\"pgoutput, test_decoding, wal2json\"",
         false},
        {"another name that contains it", "wal2json2, my_wal2json", false},
        {"nothing", "", false},
        {"a quote not closed", "\"wal2json", true},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
    CHECK(plugin_is_listed(r->libraries, "wal2json") == r->listed, r->says);
}

static void judges_servers(void **state)
{
    static const struct row {
        const char *says;
        struct server_facts server;
        const char *what, *remedy; /* NULL: fine */
    } rows[] = {
        {"all is well", {.wal_level = "logical", .replication = true}, NULL, NULL},
        {"well and guarded",
         {.wal_level = "logical",
          .replication = true,
          .guards_plugins = true,
          .plugin_libraries = "wal2json"},
         NULL,
         NULL},
        {"wal_level",
         {.wal_level = "replica", .replication = true},
         "wal_level is replica",
         "restart the server"},
        {"the role",
         {.wal_level = "logical", .user = "app"},
         "role app may not replicate",
         "alter role \"app\" replication"},
        {"the plugin is not listed",
         {.wal_level = "logical",
          .replication = true,
          .guards_plugins = true,
          .plugin_libraries = "pgoutput"},
         "does not list wal2json",
         "'pgoutput', 'test_decoding', 'wal2json'"},
        {"the list is one name",
         {.wal_level = "logical",
          .replication = true,
          .guards_plugins = true,
          .plugin_libraries = "\"pgoutput, wal2json\""},
         "does not list wal2json",
         "counts as one name"},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            struct err what = {""}, remedy = {""};

            CHECK(server_forbids_slot(&r->server, PLUGIN_WAL2JSON, &what, &remedy) ==
                      (r->what != NULL),
                  r->says);
            if (r->what && (!strstr(what.message, r->what) || !strstr(remedy.message, r->remedy)))
                fail_msg("%s: \"%s\", remedy \"%s\"", r->says, what.message, remedy.message);
        }
}

static void chooses_plugins(void **state)
{
    static const struct row {
        const char *says;
        enum config_plugin configured;
        struct server_facts server;
        struct slot_facts slot;
        enum config_plugin chosen;
    } rows[] = {
        {"auto on an old server", PLUGIN_AUTO, {.guards_plugins = false}, {0}, PLUGIN_WAL2JSON},
        {"auto, let in",
         PLUGIN_AUTO,
         {.guards_plugins = true, .plugin_libraries = "pgoutput, wal2json"},
         {0},
         PLUGIN_WAL2JSON},
        {"auto, not let in",
         PLUGIN_AUTO,
         {.guards_plugins = true, .plugin_libraries = "pgoutput, test_decoding"},
         {0},
         PLUGIN_PGOUTPUT},
        {"auto, but there is a slot",
         PLUGIN_AUTO,
         {.guards_plugins = false},
         {.exists = true, .plugin = "pgoutput"},
         PLUGIN_PGOUTPUT},
        {"said", PLUGIN_PGOUTPUT, {.guards_plugins = false}, {0}, PLUGIN_PGOUTPUT},
        {"said, even if it will be refused",
         PLUGIN_WAL2JSON,
         {.guards_plugins = true, .plugin_libraries = "pgoutput"},
         {0},
         PLUGIN_WAL2JSON},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
    CHECK(plugin_to_use(r->configured, &r->server, &r->slot) == r->chosen, r->says);
}

static void judges_slots(void **state)
{
    static const struct row {
        const char *says;
        enum config_plugin configured;
        struct slot_facts slot;
        const char *what, *remedy; /* NULL: fine */
    } rows[] = {
        {"ours",
         PLUGIN_AUTO,
         {.exists = true,
          .logical = true,
          .here = true,
          .plugin = "wal2json",
          .wal_status = "reserved"},
         NULL,
         NULL},
        {"physical", PLUGIN_AUTO, {.exists = true}, "is physical", "another slot_name"},
        {"another plugin",
         PLUGIN_AUTO,
         {.exists = true, .logical = true, .here = true, .plugin = "test_decoding"},
         "of the plugin test_decoding",
         "another slot_name"},
        {"pgoutput, and plugin = auto goes on with it",
         PLUGIN_AUTO,
         {.exists = true, .logical = true, .here = true, .plugin = "pgoutput"},
         NULL,
         NULL},
        {"the plugin that is configured",
         PLUGIN_PGOUTPUT,
         {.exists = true, .logical = true, .here = true, .plugin = "pgoutput"},
         NULL,
         NULL},
        {"not the plugin that is configured",
         PLUGIN_WAL2JSON,
         {.exists = true, .logical = true, .here = true, .plugin = "pgoutput"},
         "of the plugin pgoutput, and the setting plugin is wal2json",
         "plugin = auto"},
        {"another database",
         PLUGIN_AUTO,
         {.exists = true, .logical = true, .plugin = "wal2json", .database = "other"},
         "belongs to database other",
         "another slot_name"},
        {"lost",
         PLUGIN_AUTO,
         {.exists = true,
          .logical = true,
          .here = true,
          .plugin = "wal2json",
          .wal_status = "lost"},
         "is lost",
         "pg_drop_replication_slot('s'); and pgherald init"},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            struct err what = {""}, remedy = {""};

            CHECK(slot_is_unusable("s", &r->slot, r->configured, &what, &remedy) ==
                      (r->what != NULL),
                  r->says);
            if (r->what && (!strstr(what.message, r->what) || !strstr(remedy.message, r->remedy)))
                fail_msg("%s: \"%s\", remedy \"%s\"", r->says, what.message, remedy.message);
        }
}

static void reads_migrations(void **state)
{
    static const struct row {
        const char *says, *sql;
        bool good, seed;
    } rows[] = {
        {"core", "-- pgherald: set=core\nselect 1;\n", true, false},
        {"seed", "-- pgherald: set=seed\nselect 1;\n", true, true},
        {"CR at the end of the line", "-- pgherald: set=seed\r\nselect 1;\n", true, true},
        {"another set", "-- pgherald: set=other\n", false, false},
        {"not in the first line", "\n-- pgherald: set=core\n", false, false},
        {"nothing", "", false, false},
    };
    char checksum[MIGRATION_CHECKSUM];

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            bool seed = false;

            CHECK(migration_is_seed(r->sql, &seed) == r->good, r->says);
            CHECK(seed == r->seed, r->says);
        }
    migration_checksum("abc", checksum); /* FIPS 180-2 */
    assert_string_equal(checksum,
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_plugin_lists), cmocka_unit_test(judges_servers),
        cmocka_unit_test(chooses_plugins),    cmocka_unit_test(judges_slots),
        cmocka_unit_test(reads_migrations),
    };

    return cmocka_run_group_tests_name("cli/facts", tests, NULL, NULL);
}
