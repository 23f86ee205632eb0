#include "realtime/jwks_watch.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/download.h"
#include "realtime/client.h"

#define UNKNOWN_KEY_MS 30000 /* between two fetches that clients cause */
#define FIRST_RETRY_MS 5000
#define MAX_LINE 4096

/* By which a file is seen to be another one, or to have been written to. */
struct stamp {
    bool exists;
    ino_t inode;
    off_t size;
    struct timespec modified;
};

struct jwks_watch {
    struct core *core;
    struct stamp stamp;
    struct download *download; /* NULL: no URL */
    uint64_t started_ms;       /* when the last fetch began */
    uint64_t due_ms;           /* when the next one begins */
    unsigned failures;         /* one after another */
};

/* A new set */

static void log_set(const char *source, const struct jwks *jwks)
{
    struct buf names;

    buf_init(&names, MAX_LINE);
    for (size_t i = 0; i < jwks_count(jwks); i++) {
        buf_add_c(&names, i ? ", " : "");
        jwks_write_key(jwks, i, &names);
    }
    log_info("tokens", "took a key set", log_s("from", source), log_v("keys", buf_str(&names)));
    buf_fini(&names);
    for (size_t i = 0; i < jwks_problem_count(jwks); i++)
        log_warn("tokens", "passed over a key", log_s("from", source),
                 log_s("key", jwks_problem(jwks, i)));
}

static void count_keys(const struct core *core)
{
    const struct jwks *file = token_verifier_keys(core->authority.verifier, JWKS_OF_FILE);
    const struct jwks *url = token_verifier_keys(core->authority.verifier, JWKS_OF_URL);

    stat_set(&core->stats->jwks_keys, (file ? jwks_count(file) : 0) + (url ? jwks_count(url) : 0));
}

/* True if there is something new in it; takes over the set in any case. */
static bool take(struct jwks_watch *watch, enum jwks_origin origin, const char *source,
                 struct jwks *jwks)
{
    const struct jwks *old = token_verifier_keys(watch->core->authority.verifier, origin);

    stat_add(&watch->core->stats->jwks_read_total, 1);
    if (old && jwks_same(old, jwks)) {
        jwks_free(jwks);
        return false;
    }
    log_set(source, jwks);
    token_verifier_set_keys(watch->core->authority.verifier, origin, jwks);
    count_keys(watch->core);
    return true;
}

static void keep_old(struct jwks_watch *watch, const char *source, const struct err *err)
{
    stat_add(&watch->core->stats->jwks_failed_total, 1);
    log_warn("tokens", "could not take a key set; the keys stay as they are", log_s("from", source),
             log_err(err));
}

/* Whoever came in with a key that is gone. */
static void drop_orphans(struct core *core)
{
    struct client *next;

    for (struct client *client = core->clients; client; client = next) {
        next = client->next;
        client_check_keys(client);
    }
}

/* The file */

static struct stamp stamp_of(const char *path)
{
    struct stamp stamp = {0};
    struct stat status;

    if (stat(path, &status) != 0)
        return stamp;
    stamp.exists = true;
    stamp.inode = status.st_ino;
    stamp.size = status.st_size;
    stamp.modified = status.st_mtim;
    return stamp;
}

static bool stamp_eq(const struct stamp *a, const struct stamp *b)
{
    return a->exists == b->exists && a->inode == b->inode && a->size == b->size &&
           a->modified.tv_sec == b->modified.tv_sec && a->modified.tv_nsec == b->modified.tv_nsec;
}

/* The stamp is older than what is read: what is written in between is seen the next time. */
static enum result read_file(struct jwks_watch *watch, struct err *err)
{
    const char *path = watch->core->config->jwt_jwks_file;
    struct jwks *jwks;

    watch->stamp = stamp_of(path);
    if (jwks_read_file(path, &jwks, err) != OK)
        return FAILED;
    if (take(watch, JWKS_OF_FILE, path, jwks))
        drop_orphans(watch->core);
    return OK;
}

static void look_at_file(struct jwks_watch *watch)
{
    const char *path = watch->core->config->jwt_jwks_file;
    struct stamp now;
    struct err err;

    if (!path[0])
        return;
    now = stamp_of(path);
    if (!stamp_eq(&now, &watch->stamp) && read_file(watch, &err) != OK)
        keep_old(watch, path, &err);
}

/* The URL */

static uint64_t next_delay(const struct jwks_watch *watch)
{
    uint64_t refresh = watch->core->config->jwt_jwks_refresh_ms;
    uint64_t retry = (uint64_t)FIRST_RETRY_MS << (watch->failures < 10 ? watch->failures : 10);

    if (watch->failures == 0)
        return refresh;
    retry /= 2;
    return retry < refresh ? retry : refresh;
}

static void fetched(struct jwks_watch *watch, const struct err *failure)
{
    if (failure) {
        watch->failures++;
        keep_old(watch, watch->core->config->jwt_jwks_url, failure);
    } else {
        watch->failures = 0;
        stat_set(&watch->core->stats->jwks_read_time_us, (uint64_t)clock_now_us());
    }
    watch->due_ms = clock_monotonic_ms() + next_delay(watch);
}

static void on_download(void *arg, struct str body, const struct err *failure)
{
    struct jwks_watch *watch = arg;
    struct jwks *jwks = NULL;
    struct err err;
    bool changed;

    if (!failure && jwks_read(body, JWKS_OF_URL, &jwks, &err) != OK)
        failure = &err;
    changed = !failure && take(watch, JWKS_OF_URL, watch->core->config->jwt_jwks_url, jwks);
    fetched(watch, failure);
    if (changed)
        drop_orphans(watch->core);
}

static void fetch_if_due(struct jwks_watch *watch, uint64_t now_ms)
{
    struct err err;

    if (!watch->download || download_is_busy(watch->download) || now_ms < watch->due_ms)
        return;
    watch->started_ms = now_ms;
    if (download_start(watch->download, &err) != OK)
        fetched(watch, &err);
}

/* Its key may have been made since. The client is refused now, and comes again in a second or two.
 */
static void on_unknown_key(void *arg)
{
    struct jwks_watch *watch = arg;
    uint64_t soonest = watch->started_ms + UNKNOWN_KEY_MS;

    if (soonest < watch->due_ms)
        watch->due_ms = soonest;
    fetch_if_due(watch, clock_monotonic_ms());
}

static enum result open_url(uv_loop_t *loop, struct jwks_watch *watch, struct err *err)
{
    const struct config *config = watch->core->config;
    const struct download_options options = {config->jwt_jwks_url, config->jwt_jwks_ca_file,
                                             JWKS_MAX_BYTES};

    if (download_new(loop, &options, on_download, watch, &watch->download, err) != OK)
        return err_context(err, "jwt_jwks_url");
    token_verifier_on_unknown_key(watch->core->authority.verifier, on_unknown_key, watch);
    watch->due_ms = clock_monotonic_ms();
    fetch_if_due(watch, watch->due_ms);
    return OK;
}

/* The face */

enum result jwks_watch_open(uv_loop_t *loop, struct core *core, struct jwks_watch **out,
                            struct err *err)
{
    struct jwks_watch *watch = mem_alloc(sizeof(*watch));
    enum result result = OK;

    watch->core = core;
    if (core->config->jwt_jwks_file[0] && read_file(watch, err) != OK)
        result = err_context(err, "jwt_jwks_file");
    if (result == OK && core->config->jwt_jwks_url[0])
        result = open_url(loop, watch, err);
    *out = result == OK ? watch : NULL;
    if (result != OK)
        jwks_watch_close(watch);
    return result;
}

void jwks_watch_tick(struct jwks_watch *watch, uint64_t now_ms)
{
    look_at_file(watch);
    fetch_if_due(watch, now_ms);
}

void jwks_watch_close(struct jwks_watch *watch)
{
    if (!watch)
        return;
    token_verifier_on_unknown_key(watch->core->authority.verifier, NULL, NULL);
    download_close(watch->download);
    free(watch);
}
