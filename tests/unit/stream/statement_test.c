#include "fixture.h"

#include "stream/stream.h"

#define HEAD(slot)                                                                                 \
    "START_REPLICATION SLOT \"" slot "\" LOGICAL 0/0 (\"format-version\" '2', "                    \
    "\"include-xids\" 'true', \"include-timestamp\" 'true', \"include-lsn\" 'true', "              \
    "\"include-types\" 'false', \"include-type-oids\" 'true', \"include-pk\" 'true', "             \
    "\"include-not-null\" 'true', "                                                                \
    "\"include-transaction\" 'true', \"add-msg-prefixes\" 'pgherald:context,pgherald:schema', "    \
    "\"filter-tables\" 'public.audit_logs,public.webhook_deliveries,public.webhook_attempts,"      \
    "pgherald.webhook_secrets,pgherald.context_key', "                                             \
    "\"add-tables\" 'pgherald.store_marks,pgherald.audit_policies,pgherald.jobs,realtime.*"

static const struct {
    const char *says;
    const char *slot;
    const char *schemas[3];
    const char *statement;
} rows[] = {
    {"the default: public, and what the pipeline needs of its own",
     "pgherald",
     {"public"},
     HEAD("pgherald") ",public.*')"},
    {"several schemas, another slot", "s_2", {"public", "app"}, HEAD("s_2") ",public.*,app.*')"},
    {"no schema at all", "s", {NULL}, HEAD("s") "')"},
    {"upper case stays: wal2json compares exactly", "s", {"App"}, HEAD("s") ",App.*')"},
    {"a quote is doubled for the server", "s", {"o'brien"}, HEAD("s") ",o''brien.*')"},
    {"comma, dot and space have a backslash for wal2json",
     "s",
     {"a,b.c d"},
     HEAD("s") ",a\\,b\\.c\\ d.*')"},
    {"a backslash likewise", "s", {"a\\b"}, HEAD("s") ",a\\\\b.*')"},
    {"a star means itself", "s", {"*"}, HEAD("s") ",\\*.*')"},
};

static void test_statement(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *schemas[3];
        struct config config = {.slot_name = (char *)(uintptr_t)rows[i].slot,
                                .schemas = {schemas, 0}};
        struct buf out;

        while (config.schemas.count < 3 && rows[i].schemas[config.schemas.count]) {
            schemas[config.schemas.count] =
                (char *)(uintptr_t)rows[i].schemas[config.schemas.count];
            config.schemas.count++;
        }
        buf_init(&out, 65536);
        stream_start_statement(&out, &config, PLUGIN_WAL2JSON, false);
        check_text(rows[i].says, buf_str(&out), rows[i].statement);
        buf_fini(&out);
    }
}

static void test_auth_events(void **state)
{
    struct config config = {
        .slot_name = (char *)(uintptr_t) "s", .audit = true, .audit_auth_events = true};
    struct buf out;

    (void)state;
    buf_init(&out, 65536);
    stream_start_statement(&out, &config, PLUGIN_WAL2JSON, false);
    check_text("the auth service's log, if it is to be audited", buf_str(&out),
               HEAD("s") ",auth.audit_log_entries')");
    config.audit = false;
    buf_clear(&out);
    stream_start_statement(&out, &config, PLUGIN_WAL2JSON, false);
    check_text("and not without an audit trail", buf_str(&out), HEAD("s") "')");
    buf_fini(&out);
}

static void test_pgoutput(void **state)
{
    static const struct {
        const char *says, *publication, *names;
    } publications[] = {
        {"the publication, and the one of new rows alone", "pgherald",
         "\"pgherald\",\"pgherald_inserts\""},
        {"upper case stays", "App", "\"App\",\"App_inserts\""},
        {"a comma and a space are of the name", "a, b", "\"a, b\",\"a, b_inserts\""},
        {"a quote is doubled for the list", "a\"b", "\"a\"\"b\",\"a\"\"b_inserts\""},
        {"and one of strings for the string", "o'b", "\"o''b\",\"o''b_inserts\""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(publications); i++) {
        struct config config = {.slot_name = (char *)(uintptr_t) "s",
                                .publication = (char *)(uintptr_t)publications[i].publication};
        struct buf out, wanted;

        buf_init(&out, 65536);
        buf_init(&wanted, 65536);
        buf_addf(&wanted,
                 "START_REPLICATION SLOT \"s\" LOGICAL 0/0 (\"proto_version\" '1', \"messages\" "
                 "'true', \"publication_names\" '%s')",
                 publications[i].names);
        stream_start_statement(&out, &config, PLUGIN_PGOUTPUT, false);
        check_text(publications[i].says, buf_str(&out), buf_str(&wanted).data);
        buf_fini(&out);
        buf_fini(&wanted);
    }
}

static void test_streaming(void **state)
{
    struct config config = {.slot_name = (char *)(uintptr_t) "s",
                            .publication = (char *)(uintptr_t) "p"};
    struct buf out;

    (void)state;
    buf_init(&out, 65536);
    stream_start_statement(&out, &config, PLUGIN_PGOUTPUT, true);
    check_text("streaming takes the protocol that knows it", buf_str(&out),
               "START_REPLICATION SLOT \"s\" LOGICAL 0/0 (\"proto_version\" '2', \"streaming\" "
               "'on', \"messages\" 'true', \"publication_names\" '\"p\",\"p_inserts\"')");
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statement),
        cmocka_unit_test(test_auth_events),
        cmocka_unit_test(test_pgoutput),
        cmocka_unit_test(test_streaming),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
