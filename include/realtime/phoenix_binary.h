/* The binary frames of protocol 2.0.0: broadcasts only. Pure.
 *
 * What a client sends (kind 3): `u8 3, len(join_ref), len(ref), len(topic), len(event), len(meta),
 * encoding`, the five texts, the payload. What it is sent (kind 4): `u8 4, len(topic), len(event),
 * len(meta), encoding`, the three texts, the payload. A length is one byte; the encoding is 0 for
 * bytes and 1 for JSON. Source: facts/realtime-protocol.md; realtime-js, serializer.ts. */
#ifndef PGHERALD_REALTIME_PHOENIX_BINARY_H
#define PGHERALD_REALTIME_PHOENIX_BINARY_H

#include "realtime/phoenix.h"

#define PHOENIX_MAX_BINARY_TEXT 255

/* A broadcast of a client. */
struct phoenix_push {
    struct phoenix_ref join_ref;
    struct phoenix_ref ref;
    struct str topic; /* all these point into the bytes that were read */
    struct str event; /* the user's; may be empty */
    struct str meta;  /* JSON, or empty */
    struct str payload;
    bool is_json;
};

/* Reads a binary frame of a client: every text is UTF-8, and what says that it is JSON is JSON. */
enum result phoenix_push_parse(struct str bytes, struct phoenix_push *out,
                               struct err *err) MUST_CHECK;

/* Appends what stands before the payload of a broadcast to a client. false, with nothing appended:
 * a text is longer than PHOENIX_MAX_BINARY_TEXT. */
bool phoenix_broadcast_open(struct buf *out, struct str topic, struct str event, struct str meta,
                            bool is_json);

#endif
