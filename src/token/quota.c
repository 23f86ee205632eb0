#include "token/quota.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"

struct quotas {
    pthread_mutex_t lock; /* of all that is here, and of every quota */
    struct map by_id;
    unsigned refs;
};

struct quota {
    struct map_node node;
    struct quotas *home;
    unsigned refs;
    char *key_id;
    struct bucket bucket;
};

struct quotas *quotas_new(void)
{
    struct quotas *quotas = mem_alloc(sizeof(*quotas));

    pthread_mutex_init(&quotas->lock, NULL);
    quotas->refs = 1;
    return quotas;
}

struct quotas *quotas_ref(struct quotas *quotas)
{
    pthread_mutex_lock(&quotas->lock);
    quotas->refs++;
    pthread_mutex_unlock(&quotas->lock);
    return quotas;
}

void quotas_unref(struct quotas *quotas)
{
    bool is_last;

    pthread_mutex_lock(&quotas->lock);
    is_last = --quotas->refs == 0;
    pthread_mutex_unlock(&quotas->lock);
    if (!is_last)
        return;
    map_fini(&quotas->by_id);
    pthread_mutex_destroy(&quotas->lock);
    free(quotas);
}

static struct quota *find(const struct quotas *quotas, struct str key_id)
{
    struct map_node *node = map_find(&quotas->by_id, hash_more(0, key_id));

    for (; node; node = map_next(node)) {
        struct quota *quota = MAP_THING(node, struct quota, node);

        if (str_eq(str_c(quota->key_id), key_id))
            return quota;
    }
    return NULL;
}

static struct quota *add(struct quotas *quotas, struct str key_id, uint32_t per_minute,
                         uint64_t now_ms)
{
    struct quota *quota = mem_alloc(sizeof(*quota));

    quota->home = quotas;
    quota->key_id = str_dup(key_id);
    bucket_init(&quota->bucket, per_minute, now_ms);
    map_add(&quotas->by_id, &quota->node, hash_more(0, key_id));
    return quota;
}

struct quota *quota_get(struct quotas *quotas, struct str key_id, uint32_t per_minute,
                        uint64_t now_ms)
{
    struct quota *quota;

    pthread_mutex_lock(&quotas->lock);
    quota = find(quotas, key_id);
    if (!quota)
        quota = add(quotas, key_id, per_minute, now_ms);
    else if (quota->bucket.per_minute != per_minute)
        bucket_resize(&quota->bucket, per_minute, now_ms);
    quota->refs++;
    pthread_mutex_unlock(&quotas->lock);
    return quota;
}

void quota_unref(struct quota *quota)
{
    struct quotas *quotas;
    bool is_last;

    if (!quota)
        return;
    quotas = quota->home;
    pthread_mutex_lock(&quotas->lock);
    is_last = --quota->refs == 0;
    if (is_last)
        map_remove(&quotas->by_id, &quota->node);
    pthread_mutex_unlock(&quotas->lock);
    if (!is_last)
        return;
    free(quota->key_id);
    free(quota);
}

unsigned quota_take(struct quota *quota, uint64_t now_ms, struct allowance *left)
{
    unsigned wait_s;

    pthread_mutex_lock(&quota->home->lock);
    wait_s = bucket_take(&quota->bucket, now_ms);
    *left = bucket_allowance(&quota->bucket, now_ms);
    pthread_mutex_unlock(&quota->home->lock);
    return wait_s;
}

struct allowance quota_left(struct quota *quota, uint64_t now_ms)
{
    struct allowance left;

    pthread_mutex_lock(&quota->home->lock);
    left = bucket_allowance(&quota->bucket, now_ms);
    pthread_mutex_unlock(&quota->home->lock);
    return left;
}
