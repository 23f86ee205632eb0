/* Changes of a table `notes`, as wal2json sends them, and what reads them. */
#ifndef PGHERALD_TESTS_NOTES_H
#define PGHERALD_TESTS_NOTES_H

#include "fixture.h"
#include "rules/ruleset.h"

static struct decoder *decoder;
static struct ruleset *rules;
static struct stats stats;

static int set_up(void **state)
{
    struct types *types = fixture_types();

    (void)state;
    decoder = decoder_new_wal2json();
    rules = ruleset_new(fixture_config(), &stats);
    ruleset_set_types(rules, types);
    types_unref(types);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ruleset_free(rules);
    decoder_free(decoder);
    return 0;
}

#define TABLE(action) "{\"action\":\"" action "\",\"schema\":\"public\",\"table\":\"notes\","
#define PK "\"pk\":[{\"name\":\"id\",\"typeoid\":20}]}"
#define ID "{\"name\":\"id\",\"typeoid\":20,\"value\":7}"
#define TITLE(text) "{\"name\":\"title\",\"typeoid\":25,\"value\":\"" text "\"}"
#define TOKEN(text) "{\"name\":\"token\",\"typeoid\":25,\"value\":" text "}"
#define SEEN(text) "{\"name\":\"seen_at\",\"typeoid\":1184,\"value\":\"" text "\"}"
#define BODY "{\"name\":\"body\",\"typeoid\":25,\"value\":\"long\"}"
#define WAS "2026-11-23 03:48:41+00"
#define IS "2026-11-24 03:48:41+00"

#define INSERT                                                                                     \
    TABLE("I")                                                                                     \
    "\"columns\":[" ID "," TITLE("a \\\"b\\\"") "," TOKEN("\"secret\"") "," SEEN(WAS) "]," PK
#define UPDATE_FULL                                                                                \
    TABLE("U")                                                                                     \
    "\"columns\":[" ID "," TITLE("new") "," TOKEN("\"s2\"") "," SEEN(                              \
        IS) "],"                                                                                   \
            "\"identity\":[" ID "," TITLE("old") "," TOKEN("\"s1\"") "," SEEN(WAS) "," BODY        \
                                                                                   "]," PK
#define UPDATE_KEY TABLE("U") "\"columns\":[" ID "," TITLE("new") "],\"identity\":[" ID "]," PK
#define DELETE_FULL TABLE("D") "\"identity\":[" ID "," TITLE("old") "," TOKEN("null") "]," PK
#define TRUNCATE TABLE("T") PK

#endif
