/* The checks of what clients' tokens are verified with: the secret, and the key sets. */
#include <uv.h>

#include "cli/checks.h"
#include "http/download.h"
#include "token/jwks.h"

#define MAX_LINE 4096

/* What came of a fetch. */
struct fetched {
    struct jwks *jwks; /* NULL: see failure */
    struct err failure;
};

static void on_download(void *arg, struct str body, const struct err *failure)
{
    struct fetched *fetched = arg;

    if (failure)
        fetched->failure = *failure;
    else if (jwks_read(body, JWKS_OF_URL, &fetched->jwks, &fetched->failure) != OK)
        fetched->jwks = NULL;
}

/* With the daemon's own means, on a loop made for it. */
static void fetch_jwks(const struct config *config, struct fetched *fetched)
{
    const struct download_options options = {config->jwt_jwks_url, config->jwt_jwks_ca_file,
                                             JWKS_MAX_BYTES};
    struct download *download;
    uv_loop_t loop;

    uv_loop_init(&loop);
    if (download_new(&loop, &options, on_download, fetched, &download, &fetched->failure) == OK &&
        download_start(download, &fetched->failure) == OK)
        uv_run(&loop, UV_RUN_DEFAULT);
    download_close(download);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
}

static void list_keys(struct checks *checks, const char *name, const struct jwks *jwks)
{
    for (size_t i = 0; i < jwks_count(jwks); i++) {
        struct buf line;

        buf_init(&line, MAX_LINE);
        jwks_write_key(jwks, i, &line);
        checks_add(checks, name, CHECK_OK, NULL, "key %s", buf_str(&line).data);
        buf_fini(&line);
    }
    for (size_t i = 0; i < jwks_problem_count(jwks); i++)
        checks_add(checks, name, CHECK_WARN,
                   "tokens signed with it are refused; leave it out, or make another",
                   "passed over key %s", jwks_problem(jwks, i));
}

static void check_file(struct checks *checks, const char *path)
{
    struct jwks *jwks;
    struct err err;

    if (!path[0])
        return;
    if (jwks_read_file(path, &jwks, &err) == OK)
        list_keys(checks, "jwt_jwks_file", jwks);
    else
        checks_add(checks, "jwt_jwks_file", CHECK_FAIL,
                   "name a file with a JSON Web Key Set that pgherald may read", "%s", err.message);
    jwks_free(jwks);
}

static void check_url(struct checks *checks, const struct config *config)
{
    struct fetched fetched = {0};

    if (!config->jwt_jwks_url[0])
        return;
    fetch_jwks(config, &fetched);
    if (fetched.jwks)
        list_keys(checks, "jwt_jwks_url", fetched.jwks);
    else
        checks_add(checks, "jwt_jwks_url", CHECK_FAIL,
                   "is the address right, and can this machine reach it?", "%s: %s",
                   config->jwt_jwks_url, fetched.failure.message);
    jwks_free(fetched.jwks);
}

static void check_secret(struct checks *checks, const struct config *config)
{
    if (config->jwt_secret[0])
        checks_add(checks, "jwt_secret", CHECK_OK, NULL, "set");
    else if (!config->jwt_jwks_file[0] && !config->jwt_jwks_url[0])
        checks_add(
            checks, "jwt_secret", CHECK_WARN,
            "set jwt_secret or jwt_secret_file to the key that signs the clients' tokens, or "
            "jwt_jwks_url or jwt_jwks_file to the key set that verifies them",
            "not set, nor is a key set: no WebSocket client is let in");
}

void checks_run_tokens(struct checks *checks, const struct config *config)
{
    check_secret(checks, config);
    check_file(checks, config->jwt_jwks_file);
    check_url(checks, config);
}
