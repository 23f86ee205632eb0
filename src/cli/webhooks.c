/* pgherald webhooks: what its actions share. They are in webhooks_list.c, webhooks_show.c,
 * webhooks_change.c, webhooks_rotate.c, webhooks_test.c and webhooks_replay.c. */
#include "cli/webhooks.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/clock.h"
#include "cli/ask.h"
#include "cli/moment.h"
#include "embedded.h"

int webhooks_fail(const struct webhooks_command *command, const struct err *err)
{
    ask_complain(command->conn, err);
    return EXIT_FAILURE;
}

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value ? value : "";
}

const char *webhooks_id(const struct webhooks_command *command)
{
    return text(command->webhook, "id");
}

const char *webhooks_name(const struct webhooks_command *command)
{
    return text(command->webhook, "name");
}

/* ---------------------------------------------------------------- which webhook */

static int complain_of_none(const char *word, bool hidden)
{
    fprintf(stderr, "pgherald: there is no webhook with the id or name \"%.80s\"", word);
    fputs(hidden ? ", or row level security hides it from this database user: take one that may "
                   "bypass it\n"
                 : "; pgherald webhooks lists them\n",
          stderr);
    return EX_USAGE;
}

static int complain_of_many(const char *word, const json_t *found)
{
    const json_t *webhook;
    size_t i;

    fprintf(stderr, "pgherald: %zu webhooks are called \"%.80s\"; say the id of one:\n",
            json_array_size(found), word);
    json_array_foreach(found, i, webhook)
    {
        fprintf(stderr, "  %s\n", text(webhook, "id"));
    }
    return EX_USAGE;
}

static int find(struct webhooks_command *command, const char *word)
{
    const char *params[] = {word};
    int code = EXIT_SUCCESS;
    json_t *answer, *found;
    struct err err;

    if (ask_json(command->conn, sql_webhooks_find, params, 1, &answer, &err) != OK)
        return webhooks_fail(command, &err);
    found = json_object_get(answer, "found");
    if (json_array_size(found) == 1)
        command->webhook = json_incref(json_array_get(found, 0));
    else if (json_array_size(found) == 0)
        code = complain_of_none(word, json_is_true(json_object_get(answer, "hidden")));
    else
        code = complain_of_many(word, found);
    json_decref(answer);
    return code;
}

int webhooks_open(struct webhooks_command *command, const struct config *config,
                  const struct cli_args *args, const char *word)
{
    struct err err;

    *command = (struct webhooks_command){.config = config, .args = args};
    if (!cli_has_database(config))
        return EX_CONFIG;
    if (pg_sync_open(config->database_url, "pgherald webhooks", &command->conn, &err) != OK) {
        fprintf(stderr, "pgherald: %s\n", err.message);
        return EXIT_FAILURE;
    }
    return word ? find(command, word) : EXIT_SUCCESS;
}

void webhooks_close(struct webhooks_command *command)
{
    json_decref(command->webhook);
    pg_sync_close(command->conn);
}

void webhooks_warn_disabled(const struct webhooks_command *command)
{
    if (!json_is_true(json_object_get(command->webhook, "active")))
        fputs("pgherald: the webhook is disabled: what is pending goes out once it is enabled\n",
              stderr);
}

const char *webhooks_time(const struct cli_args *args, enum cli_flag flag,
                          char out[WEBHOOKS_TIME_TEXT])
{
    const char *value = cli_value(args, flag);
    int64_t us;
    struct err err;

    if (!value || moment_parse(str_c(value), clock_now_us(), &us, &err) != OK)
        return NULL; /* its form has been checked */
    return clock_iso_us(us, out);
}

/* ---------------------------------------------------------------- the actions */

const struct cli_command cli_webhooks_actions[CLI_WEBHOOKS_ACTION_COUNT] = {
    {.name = "webhooks list",
     .flags = CLI_JSON | CLI_FAILING,
     .usage = "webhooks [list] [--failing] [--json]",
     .summary = "each webhook with its health, what waits for it and what was given up",
     .help =
         "URLs are shown without what may be a credential: what stands before @ and behind the "
         "path.\n"
         "A webhook that is rejected is told nothing, since the daemon cannot read what it asks "
         "for;\n"
         "webhooks show says why.",
     .run = cli_webhooks_list},
    {.name = "webhooks show",
     .flags = CLI_JSON | CLI_LIMIT,
     .min_words = 1,
     .max_words = 1,
     .usage = "webhooks show ID [--limit N] [--json]",
     .summary = "one webhook, its health, and its last attempts with status, duration and error",
     .help = "Of its headers only the names are shown, and of its secrets only which schemes sign, "
             "and\n"
             "until when.",
     .run = cli_webhooks_show},
    {.name = "webhooks test",
     .flags = CLI_JSON | CLI_PRINT | CLI_SHOW_HEADERS,
     .min_words = 1,
     .max_words = 1,
     .usage = "webhooks test ID [--print] [--show-headers] [--json]",
     .summary = "send a signed sample from here and print the whole exchange",
     .help =
         "The sample has the webhook's own secret, headers and format, and goes through the same "
         "checks\n"
         "as any delivery; its type is pgherald.webhook_test.insert. Nothing is recorded. Exits 1 "
         "if the\n"
         "answer is not 2xx. Header values that may be credentials show as [hidden], and so does "
         "what\n"
         "stands behind the path of the URL.",
     .run = cli_webhooks_test},
    {.name = "webhooks enable",
     .flags = CLI_JSON,
     .min_words = 1,
     .max_words = 1,
     .usage = "webhooks enable ID [--json]",
     .summary = "let it have its deliveries again; what is pending goes out now",
     .run = cli_webhooks_enable},
    {.name = "webhooks disable",
     .flags = CLI_JSON | CLI_REASON,
     .min_words = 1,
     .max_words = 1,
     .usage = "webhooks disable ID [--reason TEXT] [--json]",
     .summary = "send nothing more to it until it is enabled again",
     .help =
         "What is pending waits, and so do changes from now on, as long as failed deliveries are "
         "kept\n"
         "(webhooks show and its owner see the reason). Older ones webhooks replay makes out of "
         "the audit trail.",
     .run = cli_webhooks_disable},
    {.name = "webhooks rotate",
     .flags = CLI_JSON | CLI_OVERLAP | CLI_SCHEME,
     .min_words = 1,
     .max_words = 1,
     .usage = "webhooks rotate ID [--overlap TIME] [--scheme v1|v1a] [--json]",
     .summary = "give it a new secret, printed this once",
     .help =
         "Until the overlap ends, deliveries are signed with the old secret too, so that the "
         "receiver\n"
         "can be changed without losing one. Of a v1a secret the receiver needs the public key.",
     .run = cli_webhooks_rotate},
    {.name = "webhooks retry",
     .flags = CLI_JSON | CLI_DELIVERY | CLI_FAILED | CLI_SINCE,
     .min_words = 1,
     .max_words = 1,
     .usage = "webhooks retry ID [--delivery N | --failed [--since TIME]] [--json]",
     .summary = "make deliveries that were given up pending again",
     .help =
         "All of them, one, or those made since a time. They are due at once, have all attempts "
         "of the\n"
         "schedule before them, and keep their webhook-id.",
     .run = cli_webhooks_retry},
    {.name = "webhooks replay",
     .flags =
         CLI_JSON | CLI_ENDPOINT | CLI_SINCE | CLI_UNTIL | CLI_EVENTS | CLI_DRY_RUN | CLI_AGAIN,
     .needs = CLI_ENDPOINT | CLI_SINCE,
     .usage = "webhooks replay --endpoint ID --since TIME [--until TIME] [--events PATTERNS]\n"
              "                         [--again] [--dry-run] [--json]",
     .summary = "make deliveries of past changes, out of the audit trail",
     .help =
         "For a new webhook, or one that was disabled. Each change that its events, owner and "
         "filter ask\n"
         "for becomes a delivery with the webhook-id that it had, or would have had, so that a "
         "receiver\n"
         "knows those that it has; webhook-replay: true marks them. What is pending or was "
         "delivered is\n"
         "left out; it may be interrupted and run again. docs/webhooks.md says what the trail does "
         "not have.",
     .run = cli_webhooks_replay},
};
