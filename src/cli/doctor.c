/* pgherald doctor: what the daemon needs, a line each. */
#include <jansson.h>
#include <stdlib.h>
#include <sysexits.h>

#include "cli/checks.h"
#include "cli/cli.h"

static const char *const verdicts[] = {"ok", "warn", "FAIL"};
static const char *const json_verdicts[] = {"ok", "warn", "fail"};

static void print_lines(const struct checks *checks)
{
    for (size_t i = 0; i < checks->count; i++) {
        const struct check *check = &checks->items[i];

        printf("%-5s %-22s %s\n", verdicts[check->verdict], check->name, check->found);
        if (check->remedy)
            printf("%-5s %-22s remedy: %s\n", "", "", check->remedy);
    }
}

static void print_json(const struct checks *checks, bool healthy)
{
    json_t *list = json_array(), *root;

    for (size_t i = 0; i < checks->count; i++) {
        const struct check *check = &checks->items[i];

        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s?}", "name", check->name,
                                              "status", json_verdicts[check->verdict], "found",
                                              check->found, "remedy", check->remedy));
    }
    root = json_pack("{s:b, s:o}", "ok", healthy, "checks", list);
    json_dumpf(root, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(root);
}

static void check_database(struct checks *checks, const struct config *config)
{
    struct pg_sync *conn;
    struct err err;

    if (!config->database_url[0]) {
        checks_add(checks, "connection", CHECK_FAIL,
                   "set database_url in the settings or PGHERALD_DATABASE_URL in the environment",
                   "database_url is not set");
        return;
    }
    if (pg_sync_open(config->database_url, "pgherald doctor", &conn, &err) != OK) {
        checks_add(checks, "connection", CHECK_FAIL,
                   "is the server running there, and does database_url name it, a role that may "
                   "log in and its password?",
                   "%s", err.message);
        return;
    }
    checks_run_database(checks, config, conn);
    checks_run_realtime(checks, config, conn);
    pg_sync_close(conn);
}

int cli_doctor(const struct config *config, const struct cli_args *args)
{
    struct checks checks = {0};
    bool healthy = true;

    check_database(&checks, config);
    checks_run_machine(&checks, config);
    checks_run_tokens(&checks, config);
    for (size_t i = 0; i < checks.count; i++)
        healthy = healthy && checks.items[i].verdict != CHECK_FAIL;
    if (args->flags & CLI_JSON)
        print_json(&checks, healthy);
    else
        print_lines(&checks);
    checks_fini(&checks);
    return healthy ? EXIT_SUCCESS : EXIT_FAILURE;
}
