/* pgherald webhooks rotate. The new secret is on stdout, once, and nowhere else but in its row. */
#include <inttypes.h>
#include <stdlib.h>

#include "cli/moment.h"
#include "cli/webhooks.h"
#include "dispatch/signature.h"
#include "embedded.h"

#define USUAL_OVERLAP "24h"

/* What --scheme says, or what the present secret has. */
static enum result find_scheme(struct webhooks_command *command, enum signature_scheme *scheme,
                               struct err *err)
{
    const char *wanted = cli_value(command->args, CLI_SCHEME);
    const char *params[] = {webhooks_id(command)};
    struct pg_rows *rows;
    bool known;

    if (wanted) /* its form has been checked */
        return signature_scheme_parse(str_c(wanted), scheme) ? OK : FAILED;
    if (pg_sync_run(command->conn, sql_webhooks_scheme, params, 1, &rows, err) != OK)
        return FAILED;
    known =
        pg_rows_count(rows) == 1 && signature_scheme_parse(str_c(pg_rows_text(rows, 0, 0)), scheme);
    pg_rows_free(rows);
    return known ? OK : err_set(err, "webhook %s is gone", webhooks_id(command));
}

static void print(const struct webhooks_command *command, const struct signature_pair *pair,
                  const char *until)
{
    if (command->args->flags & CLI_JSON) {
        json_t *root =
            json_pack("{s:s, s:s, s:s?, s:s}", "webhook", webhooks_id(command), "secret",
                      pair->secret, "public_key", pair->public_key[0] ? pair->public_key : NULL,
                      "former_valid_until", until);

        json_dumpf(root, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(root);
        return;
    }
    printf("secret                 %s\n", pair->secret);
    if (pair->public_key[0])
        printf("public key             %s\n", pair->public_key);
    printf("the old one signs too  until %s\n", until);
}

static enum result replace(struct webhooks_command *command, const struct signature_pair *pair,
                           struct err *err)
{
    const char *overlap = cli_value(command->args, CLI_OVERLAP);
    char span[24];
    const char *params[] = {webhooks_id(command), pair->secret, span};
    struct pg_rows *rows;
    int64_t us;

    if (moment_parse_span(str_c(overlap ? overlap : USUAL_OVERLAP), &us, err) != OK)
        return FAILED;
    snprintf(span, sizeof(span), "%" PRId64, us);
    if (pg_sync_run(command->conn, sql_webhooks_rotate, params, 3, &rows, err) != OK)
        return FAILED;
    print(command, pair, pg_rows_text(rows, 0, 0));
    pg_rows_free(rows);
    return OK;
}

static int rotate(struct webhooks_command *command)
{
    enum signature_scheme scheme = SIGNATURE_V1;
    struct signature_pair pair;
    enum result result;
    struct err err;

    if (find_scheme(command, &scheme, &err) != OK)
        return webhooks_fail(command, &err);
    result = signature_generate(scheme, &pair, &err);
    if (result == OK)
        result = replace(command, &pair, &err);
    signature_wipe_pair(&pair);
    return result == OK ? EXIT_SUCCESS : webhooks_fail(command, &err);
}

int cli_webhooks_rotate(const struct config *config, const struct cli_args *args)
{
    struct webhooks_command command;
    int code = webhooks_open(&command, config, args, args->words[0]);

    if (code == EXIT_SUCCESS)
        code = rotate(&command);
    webhooks_close(&command);
    return code;
}
