#include "realtime/petition.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"

void petition_line_fini(struct petition_line *line)
{
    map_fini(&line->open);
}

static uint64_t key_of(const struct session *session, struct str topic)
{
    return hash_more(session->node.key, topic);
}

static struct petition *find(const struct petition_line *line, const struct session *session,
                             struct str topic)
{
    struct map_node *node = map_find(&line->open, key_of(session, topic));

    for (; node; node = map_next(node)) {
        struct petition *petition = MAP_THING(node, struct petition, node);

        if (petition->session == session && str_eq(str_c(petition->topic), topic))
            return petition;
    }
    return NULL;
}

void petition_line_add(struct petition_line *line, struct petition *petition)
{
    petition->next = NULL;
    if (line->last)
        line->last->next = petition;
    else
        line->first = petition;
    line->last = petition;
    line->count++;
    map_add(&line->open, &petition->node, key_of(petition->session, str_c(petition->topic)));
}

void petition_line_add_first(struct petition_line *line, struct petition *petition)
{
    petition->next = line->first;
    line->first = petition;
    if (!line->last)
        line->last = petition;
    line->count++;
    map_add(&line->open, &petition->node, key_of(petition->session, str_c(petition->topic)));
}

static struct petition *petition_new(struct session *session, struct str topic, uint64_t now_ms)
{
    struct petition *petition = mem_alloc(sizeof(*petition));

    petition->session = session_ref(session);
    petition->topic = str_dup(topic);
    petition->since_ms = now_ms;
    return petition;
}

void petition_line_ask(struct petition_line *line, struct session *session, struct str topic,
                       uint64_t now_ms, rights_cb *cb, void *arg)
{
    struct petition *petition = find(line, session, topic);
    struct petitioner *petitioner = mem_alloc(sizeof(*petitioner));

    if (!petition) {
        petition = petition_new(session, topic, now_ms);
        petition_line_add(line, petition);
    }
    *petitioner = (struct petitioner){petition->petitioners, cb, arg};
    petition->petitioners = petitioner;
}

struct petition *petition_line_take(struct petition_line *line)
{
    struct petition *petition = line->first;

    if (!petition)
        return NULL;
    line->first = petition->next;
    if (!line->first)
        line->last = NULL;
    line->count--;
    map_remove(&line->open, &petition->node);
    return petition;
}

void petition_tell(struct petition *petition, const struct channel_rights *rights,
                   const struct err *why)
{
    while (petition->petitioners) {
        struct petitioner *petitioner = petition->petitioners;

        petition->petitioners = petitioner->next;
        petitioner->cb(petitioner->arg, rights, why);
        free(petitioner);
    }
}

void petition_free(struct petition *petition)
{
    session_unref(petition->session);
    free(petition->topic);
    free(petition);
}

static void write_session(const struct session *session, struct buf *out)
{
    buf_add_c(out, session->place ? ",{\"role\":" : "{\"role\":");
    json_add_string(out, str_c(session->role));
    buf_add_str(out, STR(",\"claims\":"));
    json_add_string(out, str_from(session->claims, session->claims_len));
    buf_add_char(out, '}');
}

void petition_write(struct petition *const *batch, size_t count, uint64_t stamp,
                    struct buf *questions, struct buf *sessions)
{
    size_t known = 0;

    buf_add_char(questions, '[');
    buf_add_char(sessions, '[');
    for (size_t i = 0; i < count; i++) {
        struct session *session = batch[i]->session;

        if (session->seen != stamp) {
            session->seen = stamp;
            session->place = known++;
            write_session(session, sessions);
        }
        buf_add_c(questions, i ? ",{\"session\":" : "{\"session\":");
        buf_add_u64(questions, session->place);
        buf_add_str(questions, STR(",\"topic\":"));
        json_add_string(questions, str_c(batch[i]->topic));
        buf_add_char(questions, '}');
    }
    buf_add_char(questions, ']');
    buf_add_char(sessions, ']');
}
