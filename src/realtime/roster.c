#include "realtime/roster.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/map.h"
#include "base/mem.h"

#define REF_MEMBERS 80 /* room for phx_ref and phx_ref_prev with their values */

/* One version of a presence: the JSON object that clients get. It never changes. */
struct meta {
    uint64_t ref;
    size_t given; /* how much of the text is the client's: its object without the closing brace */
    size_t len;
    char text[];
};

struct presence {
    struct key *key;
    struct presence *prev, *next;  /* of the key's, in the order in which clients have them */
    struct presence *next_changed; /* of the key's */
    struct meta *told, *now;       /* may be the same */
    bool changed;
};

struct key {
    struct map_node node;
    char *name;
    struct key *prev, *next; /* of the roster's, oldest first */
    struct presence *first, *last;
    struct presence *first_changed, *last_changed;
    struct key *next_changed; /* of the roster's */
};

struct roster {
    struct map keys;
    struct key *first, *last;
    struct key *first_changed, *last_changed;
    size_t count, bytes;
};

struct roster *roster_new(void)
{
    return mem_alloc(sizeof(struct roster));
}

/* The client's members come first: of two members with one name JavaScript takes the last, and a
 * phx_ref of the client's own would confuse everybody. */
static struct meta *meta_new(struct str object, uint64_t ref, const struct meta *told)
{
    size_t room = object.len + REF_MEMBERS;
    struct meta *meta = mem_alloc(sizeof(*meta) + room);
    struct json_cursor cursor = json_enter(object);
    struct str key, value;
    size_t at = object.len - 1;

    meta->ref = ref;
    meta->given = at;
    memcpy(meta->text, object.data, at);
    if (json_next(&cursor, &key, &value))
        meta->text[at++] = ',';
    at += (size_t)snprintf(meta->text + at, room - at, "\"phx_ref\":\"%016" PRIx64 "\"", ref);
    if (told)
        at += (size_t)snprintf(meta->text + at, room - at, ",\"phx_ref_prev\":\"%016" PRIx64 "\"",
                               told->ref);
    meta->text[at++] = '}';
    meta->len = at;
    return meta;
}

static size_t meta_bytes(const struct meta *meta)
{
    return meta ? sizeof(*meta) + meta->given + REF_MEMBERS : 0;
}

static size_t key_bytes(const struct key *key)
{
    return sizeof(*key) + strlen(key->name) + 1;
}

static void free_meta(struct roster *roster, struct meta *meta)
{
    roster->bytes -= meta_bytes(meta);
    free(meta);
}

bool presence_is(const struct presence *presence, struct str meta)
{
    const struct meta *now = presence->now;

    return now && now->given == meta.len - 1 && memcmp(now->text, meta.data, now->given) == 0;
}

struct str presence_meta(const struct presence *presence)
{
    return str_from(presence->now->text, presence->now->given);
}

uint64_t presence_ref(const struct presence *presence)
{
    return presence->now->ref;
}

static struct key *find_key(const struct roster *roster, struct str name)
{
    struct map_node *node = map_find(&roster->keys, hash_more(0, name));

    for (; node; node = map_next(node))
        if (str_eq(str_c(MAP_THING(node, struct key, node)->name), name))
            return MAP_THING(node, struct key, node);
    return NULL;
}

static struct key *need_key(struct roster *roster, struct str name)
{
    struct key *key = find_key(roster, name);

    if (key)
        return key;
    key = mem_alloc(sizeof(*key));
    key->name = str_dup(name);
    key->prev = roster->last;
    *(roster->last ? &roster->last->next : &roster->first) = key;
    roster->last = key;
    roster->bytes += key_bytes(key);
    map_add(&roster->keys, &key->node, hash_more(0, name));
    return key;
}

static void free_key(struct roster *roster, struct key *key)
{
    *(key->prev ? &key->prev->next : &roster->first) = key->next;
    *(key->next ? &key->next->prev : &roster->last) = key->prev;
    roster->bytes -= key_bytes(key);
    map_remove(&roster->keys, &key->node);
    free(key->name);
    free(key);
}

static void append(struct presence *presence)
{
    struct key *key = presence->key;

    presence->prev = key->last;
    presence->next = NULL;
    *(key->last ? &key->last->next : &key->first) = presence;
    key->last = presence;
}

static void unlink_presence(struct presence *presence)
{
    struct key *key = presence->key;

    *(presence->prev ? &presence->prev->next : &key->first) = presence->next;
    *(presence->next ? &presence->next->prev : &key->last) = presence->prev;
}

static void free_presence(struct roster *roster, struct presence *presence)
{
    unlink_presence(presence);
    if (presence->told != presence->now)
        free_meta(roster, presence->told);
    free_meta(roster, presence->now);
    roster->bytes -= sizeof(*presence);
    free(presence);
}

void roster_free(struct roster *roster)
{
    if (!roster)
        return;
    for (struct key *key = roster->first, *next_key; key; key = next_key) {
        next_key = key->next;
        for (struct presence *each = key->first, *next; each; each = next) {
            next = each->next;
            free_presence(roster, each);
        }
        free_key(roster, key);
    }
    free(roster);
}

static void mark(struct roster *roster, struct presence *presence)
{
    struct key *key = presence->key;

    if (presence->changed)
        return;
    presence->changed = true;
    presence->next_changed = NULL;
    if (!key->first_changed) {
        key->next_changed = NULL;
        *(roster->first_changed ? &roster->last_changed->next_changed : &roster->first_changed) =
            key;
        roster->last_changed = key;
    }
    *(key->first_changed ? &key->last_changed->next_changed : &key->first_changed) = presence;
    key->last_changed = presence;
}

static void set_now(struct roster *roster, struct presence *presence, struct meta *meta)
{
    if (presence->now != presence->told)
        free_meta(roster, presence->now);
    presence->now = meta;
    roster->bytes += meta_bytes(meta);
    mark(roster, presence);
}

struct presence *roster_track(struct roster *roster, struct presence *presence, struct str key,
                              struct str meta, uint64_t ref)
{
    if (!presence) {
        presence = mem_alloc(sizeof(*presence));
        presence->key = need_key(roster, key);
        append(presence);
        roster->count++;
        roster->bytes += sizeof(*presence);
    }
    set_now(roster, presence, meta_new(meta, ref, presence->told));
    return presence;
}

void roster_untrack(struct roster *roster, struct presence *presence)
{
    roster->count--;
    set_now(roster, presence, NULL);
}

bool roster_has_changed(const struct roster *roster)
{
    return roster->first_changed;
}

size_t roster_count(const struct roster *roster)
{
    return roster->count;
}

size_t roster_bytes(const struct roster *roster)
{
    return roster->bytes;
}

/* An object of keys, of which those without a meta are left out. */
struct writer {
    struct buf *out;
    bool any;  /* a key has been written */
    bool open; /* and this one is not closed */
};

static void write_meta(struct writer *w, const struct key *key, const struct meta *meta)
{
    if (w->any)
        buf_add_char(w->out, ',');
    if (!w->open) {
        json_add_string(w->out, str_c(key->name));
        buf_add_str(w->out, STR(":{\"metas\":["));
    }
    w->any = w->open = true;
    buf_add(w->out, meta->text, meta->len);
}

static void close_key(struct writer *w)
{
    if (w->open)
        buf_add_str(w->out, STR("]}"));
    w->open = false;
}

void roster_write_state(const struct roster *roster, struct buf *out)
{
    struct writer w = {.out = out};

    buf_add_char(out, '{');
    for (const struct key *key = roster->first; key; key = key->next) {
        for (const struct presence *p = key->first; p; p = p->next)
            if (p->told)
                write_meta(&w, key, p->told);
        close_key(&w);
    }
    buf_add_char(out, '}');
}

/* Of a presence that has changed, the version that joins or the one that leaves: never the same. */
static const struct meta *side(const struct presence *presence, bool joins)
{
    return joins ? presence->now : presence->told;
}

static bool write_side(const struct roster *roster, struct buf *out, bool joins)
{
    struct writer w = {.out = out};

    for (const struct key *key = roster->first_changed; key; key = key->next_changed) {
        for (const struct presence *p = key->first_changed; p; p = p->next_changed)
            if (side(p, joins))
                write_meta(&w, key, side(p, joins));
        close_key(&w);
    }
    return w.any;
}

/* A version that joins goes behind the others of its key, which is what clients make of a diff. */
static void take_as_told(struct roster *roster, struct presence *presence)
{
    if (!presence->now) {
        free_presence(roster, presence);
        return;
    }
    if (presence->told != presence->now)
        free_meta(roster, presence->told);
    presence->told = presence->now;
    presence->changed = false;
    unlink_presence(presence);
    append(presence);
}

void roster_settle(struct roster *roster)
{
    struct key *next_key;
    struct presence *next;

    for (struct key *key = roster->first_changed; key; key = next_key) {
        next_key = key->next_changed;
        for (struct presence *p = key->first_changed; p; p = next) {
            next = p->next_changed;
            take_as_told(roster, p);
        }
        key->first_changed = key->last_changed = NULL;
        if (!key->first)
            free_key(roster, key);
    }
    roster->first_changed = roster->last_changed = NULL;
}

bool roster_write_diff(struct roster *roster, struct buf *out)
{
    size_t start = out->len;
    bool any;

    buf_add_str(out, STR("{\"joins\":{"));
    any = write_side(roster, out, true);
    buf_add_str(out, STR("},\"leaves\":{"));
    any = write_side(roster, out, false) || any;
    buf_add_str(out, STR("}}"));
    if (!any)
        buf_truncate(out, start);
    roster_settle(roster);
    return any;
}
