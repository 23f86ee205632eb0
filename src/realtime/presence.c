#include "realtime/presence.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/random.h"
#include "realtime/roster.h"

#define MAX_TEXT ((size_t)1 << 30)
#define SMALL_STATE 4096 /* below it every client gets a frame of its own, with its join_ref */

/* Around everything that changes a roster: what it takes is taken off the books and put back. */
static void uncount(struct core *core, const struct roster *roster)
{
    core->presences.count -= roster_count(roster);
    core->presences.bytes -= roster_bytes(roster);
}

/* Each loop shows its own presences, and all the memory that it takes. */
static void show(struct core *core)
{
    stat_set_part(&core->stats->presences, &core->gauges.presences,
                  core->presences.count - core->presences.remote.count);
    stat_set_part(&core->stats->presence_bytes, &core->gauges.presence_bytes,
                  core->presences.bytes);
}

static void recount(struct core *core, const struct roster *roster)
{
    core->presences.count += roster_count(roster);
    core->presences.bytes += roster_bytes(roster);
    show(core);
}

static void mark(struct core *core, struct room *room)
{
    struct room_presence *presence = &room->presence;

    if (presence->link)
        return;
    presence->next = core->presences.changed;
    presence->link = &core->presences.changed;
    if (presence->next)
        presence->next->presence.link = &presence->next;
    core->presences.changed = room;
    if (core->presence_due)
        core->presence_due(core->presence_due_arg);
}

static void unmark(struct room *room)
{
    struct room_presence *presence = &room->presence;

    if (!presence->link)
        return;
    *presence->link = presence->next;
    if (presence->next)
        presence->next->presence.link = presence->link;
    presence->link = NULL;
}

static void forget_state(struct room *room)
{
    for (size_t vsn = 0; vsn < PHOENIX_VSNS; vsn++) {
        frame_unref(room->presence.state[vsn]);
        room->presence.state[vsn] = NULL;
    }
}

void presence_forget(struct core *core, struct room *room)
{
    struct roster *roster = room->presence.roster;

    unmark(room);
    forget_state(room);
    if (!roster)
        return;
    uncount(core, roster);
    show(core);
    roster_free(roster);
}

/* What a presence event says; both are views of the frame's text, empty if missing. */
struct call {
    struct str name;    /* between its quotes */
    struct str payload; /* JSON */
};

static struct call read_call(struct str text)
{
    struct json_cursor cursor = json_enter(text);
    struct call call = {0};
    struct str key, value;

    while (cursor.is_object && json_next(&cursor, &key, &value)) {
        if (str_eq(key, STR("event")) && value.len > 2 && value.data[0] == '"')
            call.name = str_from(value.data + 1, value.len - 2);
        else if (str_eq(key, STR("payload")))
            call.payload = value;
    }
    if (call.payload.len == 0)
        call.payload = STR("{}");
    return call;
}

static void refuse(struct channel *channel, const struct phoenix_frame *frame, struct str reason)
{
    stat_add(&channel->client->core->stats->presence_refused_total, 1);
    client_refuse(channel->client, frame->join_ref, frame->ref, frame->topic, reason);
}

static enum result check_room(const struct channel *channel, struct str meta, struct err *err)
{
    const struct core *core = channel->client->core;
    const struct roster *roster = channel->room->presence.roster;
    size_t most = core->config->realtime_max_presences;

    if (!channel->presence && roster && roster_count(roster) >= most)
        return err_set(err, "PresenceLimitReached: A topic has at most %zu presences", most);
    if (stat_get(&core->stats->presence_bytes) + meta.len >
        core->config->realtime_presence_memory_bytes)
        return err_set(err, "PresenceLimitReached: The server keeps no more presences now");
    return OK;
}

/* Where nobody is there is nobody to tell: the room is kept for who may come, and they get the
 * state of then. */
static void changed(struct core *core, struct room *room)
{
    if (room->count > 0) {
        mark(core, room);
        return;
    }
    roster_settle(room->presence.roster);
    forget_state(room);
}

struct presence *presence_set(struct core *core, struct room *room, struct presence *presence,
                              struct str key, struct str meta, uint64_t ref)
{
    if (!room->presence.roster)
        room->presence.roster = roster_new();
    uncount(core, room->presence.roster);
    presence = roster_track(room->presence.roster, presence, key, meta, ref);
    changed(core, room);
    recount(core, room->presence.roster);
    return presence;
}

void presence_remove(struct core *core, struct room *room, struct presence *presence)
{
    uncount(core, room->presence.roster);
    roster_untrack(room->presence.roster, presence);
    changed(core, room);
    recount(core, room->presence.roster);
}

struct relayed_presence presence_to_relay(const struct channel *channel)
{
    return (struct relayed_presence){.topic = str_c(channel->topic),
                                     .is_private = channel->is_private,
                                     .id = channel->presence_id,
                                     .ref = presence_ref(channel->presence),
                                     .key = str_c(channel->presence_key),
                                     .meta = presence_meta(channel->presence)};
}

static void set_presence(struct channel *channel, struct str meta)
{
    struct core *core = channel->client->core;
    uint64_t ref = ++core->presences.last_ref;
    char uuid[RANDOM_UUID_TEXT];
    struct relayed_presence told;

    if (!channel->presence_key)
        channel->presence_key = mem_strdup(random_uuid(uuid));
    if (!channel->presence)
        channel->presence_id = ref;
    channel->presence = presence_set(core, channel->room, channel->presence,
                                     str_c(channel->presence_key), meta, ref);
    told = presence_to_relay(channel);
    relay_presence(core->relay, &told);
}

static void track(struct channel *channel, const struct phoenix_frame *frame, struct str meta)
{
    struct err err;

    if (!channel->rights.may_send_presence) {
        refuse(channel, frame,
               STR("Unauthorized: You do not have permissions to track presence in this Channel"));
    } else if (meta.data[0] != '{') {
        refuse(channel, frame, STR("Presence track payload must be a map"));
    } else if (channel->presence && presence_is(channel->presence, meta)) {
        client_accept(channel->client, frame->join_ref, frame->ref, frame->topic);
    } else if (check_room(channel, meta, &err) != OK) {
        refuse(channel, frame, str_c(err.message));
    } else {
        set_presence(channel, meta);
        client_accept(channel->client, frame->join_ref, frame->ref, frame->topic);
    }
}

void presence_leave(struct channel *channel)
{
    struct core *core = channel->client->core;
    const struct relayed_presence gone = {.topic = str_c(channel->topic),
                                          .is_private = channel->is_private,
                                          .id = channel->presence_id};

    if (!channel->presence)
        return;
    presence_remove(core, channel->room, channel->presence);
    channel->presence = NULL;
    relay_presence(core->relay, &gone);
}

/* Supabase closes the channel, too, of those who call too often or say too much. */
static bool is_too_much(struct channel *channel, const struct call *call)
{
    struct client *client = channel->client;
    struct core *core = client->core;

    if (!rate_take(&client->presence, core->config->realtime_max_presence_per_second,
                   client->heard_ms)) {
        stat_add(&core->stats->presence_limited_total, 1);
        channel_shut(channel, STR("Client presence rate limit exceeded"));
        return true;
    }
    if (call->payload.len > core->config->realtime_max_payload_bytes) {
        stat_add(&core->stats->presence_refused_total, 1);
        channel_shut(channel, STR("Track message size exceeded"));
        return true;
    }
    return false;
}

void presence_receive(struct channel *channel, const struct phoenix_frame *frame)
{
    struct call call = read_call(frame->payload);

    if (is_too_much(channel, &call))
        return;
    if (str_eq_nocase(call.name, STR("track"))) {
        track(channel, frame, call.payload);
    } else if (str_eq_nocase(call.name, STR("untrack"))) {
        presence_leave(channel);
        client_accept(channel->client, frame->join_ref, frame->ref, frame->topic);
    } else {
        refuse(channel, frame, STR("The event of a presence message is track or untrack"));
    }
}

static bool is_told(const struct channel *channel)
{
    return channel->wants_presence && channel->rights.may_read_presence;
}

static struct frame *build(const struct room *room, enum phoenix_vsn vsn, struct str event,
                           struct str payload)
{
    struct frame *frame = NULL;
    struct buf head, tail;

    buf_init(&head, MAX_TEXT);
    buf_init(&tail, MAX_TEXT);
    phoenix_open(&head, vsn, PHOENIX_NULL, PHOENIX_NULL, str_c(room->topic), event);
    phoenix_close(&tail, vsn, PHOENIX_NULL);
    if (buf_ok(&head) && buf_ok(&tail))
        frame = frame_new_joined(buf_str(&head), payload, buf_str(&tail));
    buf_fini(&head);
    buf_fini(&tail);
    return frame;
}

/* A large state is one frame for all who join before the next change. It has no join_ref then,
 * which clients take as well: broadcasts have none either. */
static void send_large_state(struct channel *channel)
{
    struct room *room = channel->room;
    enum phoenix_vsn vsn = channel->client->vsn;
    struct frame **frame = &room->presence.state[vsn];
    struct buf text;

    if (!*frame) {
        buf_init(&text, MAX_TEXT);
        roster_write_state(room->presence.roster, &text);
        if (buf_ok(&text))
            *frame = build(room, vsn, STR("presence_state"), buf_str(&text));
        buf_fini(&text);
    }
    if (*frame)
        client_send(channel->client, *frame);
    else
        channel_fail(channel);
}

static void send_small_state(struct channel *channel)
{
    const struct roster *roster = channel->room->presence.roster;
    struct buf text;

    buf_init(&text, MAX_TEXT);
    if (roster)
        roster_write_state(roster, &text);
    else
        buf_add_str(&text, STR("{}"));
    channel_tell(channel, PHOENIX_NULL, STR("presence_state"), buf_str(&text));
    buf_fini(&text);
}

void presence_welcome(struct channel *channel)
{
    const struct roster *roster = channel->room->presence.roster;

    if (!is_told(channel))
        return;
    if (roster && roster_bytes(roster) > SMALL_STATE)
        send_large_state(channel);
    else
        send_small_state(channel);
}

/* Without memory for the frame the client has to begin anew. */
static void tell_diff(struct channel *channel, void *arg)
{
    struct frame *const *frames = arg;
    struct frame *frame = frames[channel->client->vsn];

    if (!is_told(channel))
        return;
    if (frame)
        client_send(channel->client, frame);
    else
        channel_fail(channel);
}

/* May free the room. */
static void tell_room(struct core *core, struct room *room, const struct buf *diff)
{
    struct frame *frames[PHOENIX_VSNS] = {NULL};

    for (size_t vsn = 0; vsn < PHOENIX_VSNS; vsn++)
        if (room->of_vsn[vsn] > 0 && buf_ok(diff))
            frames[vsn] = build(room, (enum phoenix_vsn)vsn, STR("presence_diff"), buf_str(diff));
    stat_add(&core->stats->presence_diffs_total, 1);
    room_each(core, room, tell_diff, frames);
    for (size_t vsn = 0; vsn < PHOENIX_VSNS; vsn++)
        frame_unref(frames[vsn]);
}

static void flush_room(struct core *core, struct room *room)
{
    struct roster *roster = room->presence.roster;
    struct buf diff;
    bool any;

    buf_init(&diff, MAX_TEXT);
    uncount(core, roster);
    any = roster_write_diff(roster, &diff);
    recount(core, roster);
    forget_state(room);
    if (any)
        tell_room(core, room, &diff);
    buf_fini(&diff);
}

/* A client that is closed since it does not read changes rooms again: they have their turn next
 * time. */
void presence_flush(struct core *core)
{
    struct room *changed = core->presences.changed;

    core->presences.changed = NULL;
    if (changed)
        changed->presence.link = &changed;
    while (changed) {
        struct room *room = changed;

        unmark(room);
        flush_room(core, room);
    }
}
