#include "realtime/question.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

void question_init(struct question *question, struct event *event)
{
    memset(question, 0, sizeof(*question));
    msg_ref(&event->msg);
    question->event = event;
    /* With nothing but the key in the old row there is nothing in it to be kept from anyone. */
    question->wants_old = event->kind == EVENT_ROW && event->row.change.kind == CHANGE_UPDATE &&
                          event->row.change.identity.count > event->row.change.key_count;
}

void question_fini(struct question *question)
{
    for (size_t i = 0; i < question->count; i++) {
        session_unref(question->sessions[i]);
        names_fini(&question->verdicts[i].answered);
        access_unref(question->verdicts[i].access);
        free(question->verdicts[i].problem);
    }
    free(question->sessions);
    free(question->verdicts);
    msg_unref(&question->event->msg);
    memset(question, 0, sizeof(*question));
}

size_t question_place(struct question *question, struct session *session, uint64_t stamp)
{
    if (session->seen == stamp)
        return session->place;
    if (question->count == question->cap) {
        question->cap = question->cap ? question->cap * 2 : 4;
        question->sessions =
            mem_grow(question->sessions, question->cap, sizeof(*question->sessions));
        question->verdicts =
            mem_grow(question->verdicts, question->cap, sizeof(*question->verdicts));
    }
    session->seen = stamp;
    session->place = question->count++;
    question->sessions[session->place] = session_ref(session);
    memset(&question->verdicts[session->place], 0, sizeof(*question->verdicts));
    return session->place;
}

size_t question_open(const struct question *question)
{
    size_t open = 0;

    for (size_t i = 0; i < question->count; i++)
        open += question->verdicts[i].state == VERDICT_ASK;
    return open;
}

/* {"column": "PostgreSQL's text of the value"}: what a type's input function takes back. */
static void write_text(struct buf *out, const struct column *column)
{
    switch (column->form) {
    case VALUE_NULL:
    case VALUE_LOST:
        buf_add_str(out, STR("null"));
        return;
    case VALUE_LITERAL:
    case VALUE_ESCAPED:
        buf_add_char(out, '"');
        buf_add_str(out, column->value);
        buf_add_char(out, '"');
        return;
    case VALUE_TEXT:
        json_add_string(out, column->value);
        return;
    }
}

static void write_column(struct buf *out, const struct column *column, bool *comma)
{
    if (!policy_is_carried(column))
        return;
    if (*comma)
        buf_add_char(out, ',');
    *comma = true;
    json_add_string(out, column->name);
    buf_add_char(out, ':');
    write_text(out, column);
}

static void write_image(struct buf *out, struct columns record, struct columns rest)
{
    bool comma = false;

    buf_add_char(out, '{');
    for (size_t i = 0; i < record.count; i++)
        write_column(out, &record.items[i], &comma);
    for (size_t i = 0; i < rest.count; i++)
        if (!columns_find(record, rest.items[i].name))
            write_column(out, &rest.items[i], &comma);
    buf_add_char(out, '}');
}

void question_image(const struct change *change, struct columns *record, struct columns *rest)
{
    bool whole = change->kind == CHANGE_UPDATE && change_has_full_identity(change);

    *record = change->kind == CHANGE_DELETE ? change->identity : change->record;
    *rest = whole ? change->identity : (struct columns){0};
}

static void write_sessions(struct question *question, uint64_t stamp, struct buf *places,
                           struct buf *sessions, size_t *known)
{
    bool comma = false;

    for (size_t i = 0; i < question->count; i++) {
        struct session *session = question->sessions[i];

        if (question->verdicts[i].state != VERDICT_ASK)
            continue;
        if (session->seen != stamp) {
            session->seen = stamp;
            session->place = (*known)++;
            buf_add_c(sessions, session->place ? ",{\"role\":" : "{\"role\":");
            json_add_string(sessions, str_c(session->role));
            buf_add_str(sessions, STR(",\"claims\":"));
            json_add_string(sessions, str_from(session->claims, session->claims_len));
            buf_add_char(sessions, '}');
        }
        question->verdicts[i].place = session->place;
        if (comma)
            buf_add_char(places, ',');
        comma = true;
        buf_add_u64(places, session->place);
    }
}

static const char *kind_name(enum change_kind kind)
{
    if (kind == CHANGE_INSERT)
        return "INSERT";
    return kind == CHANGE_UPDATE ? "UPDATE" : "DELETE";
}

static void write_question(struct question *question, uint64_t stamp, struct buf *out,
                           struct buf *sessions, size_t *known)
{
    const struct change *change = &question->event->row.change;
    struct columns record, rest;

    question_image(change, &record, &rest);
    buf_add_str(out, STR("{\"schema\":"));
    json_add_string(out, change->schema);
    buf_add_str(out, STR(",\"table\":"));
    json_add_string(out, change->table);
    buf_add_c(out, change->kind == CHANGE_DELETE ? ",\"delete\":true" : ",\"delete\":false");
    buf_add_c(out, ",\"kind\":\"");
    buf_add_c(out, kind_name(change->kind));
    buf_add_char(out, '"');
    buf_add_str(out, STR(",\"row\":"));
    write_image(out, record, rest);
    if (question->wants_old) {
        buf_add_str(out, STR(",\"old\":"));
        write_image(out, change->identity, (struct columns){0});
    }
    buf_add_str(out, STR(",\"key\":["));
    for (size_t i = 0; i < change->key_count; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        json_add_string(out, change->key[i]);
    }
    buf_add_str(out, STR("],\"sessions\":["));
    write_sessions(question, stamp, out, sessions, known);
    buf_add_str(out, STR("]}"));
}

void question_write(struct question *const *questions, size_t count, struct buf *questions_out,
                    struct buf *sessions_out)
{
    uint64_t stamp = sessions_stamp(questions[0]->sessions[0]->home);
    size_t known = 0;

    buf_add_char(questions_out, '[');
    buf_add_char(sessions_out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_add_char(questions_out, ',');
        write_question(questions[i], stamp, questions_out, sessions_out, &known);
    }
    buf_add_char(questions_out, ']');
    buf_add_char(sessions_out, ']');
}
