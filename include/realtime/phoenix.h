/* The frames of Phoenix channels, as bytes. Pure.
 *
 * 2.0.0 is an array `[join_ref, ref, topic, event, payload]`, 1.0.0 an object with the same names,
 * in which what the server sends has no join_ref. Source: facts/realtime-protocol.md; phoenix's
 * v2_json_serializer.ex. */
#ifndef PGHERALD_REALTIME_PHOENIX_H
#define PGHERALD_REALTIME_PHOENIX_H

#include "base/buf.h"
#include "base/err.h"

struct json_t;

enum phoenix_vsn { PHOENIX_V1, PHOENIX_V2 };
#define PHOENIX_VSNS 2

#define PHOENIX_MAX_REF 48    /* bytes of a ref's JSON text */
#define PHOENIX_MAX_TOPIC 512 /* ours; Phoenix has no limit, its binary frames have 255 */
#define PHOENIX_MAX_EVENT 128

/* A ref is echoed as it came, so its JSON text is kept: `"6"`, `6` or `null`. */
struct phoenix_ref {
    char json[PHOENIX_MAX_REF + 1];
};

#define PHOENIX_NULL ((struct phoenix_ref){"null"})

struct phoenix_frame {
    struct phoenix_ref join_ref;
    struct phoenix_ref ref;
    struct str topic; /* these three point into the text that was read, or into `unescaped` */
    struct str event;
    struct str payload; /* any JSON value, as it came: what is passed on keeps every digit */
    struct buf unescaped;
    struct json_t *tree; /* see phoenix_payload() */
};

/* "2.0.0" or "1.0.0"; an empty text is 1.0.0. false on any other version. */
bool phoenix_vsn_parse(struct str text, enum phoenix_vsn *out);

/* Reads a text frame; the text has to outlive it. On FAILED there is nothing to free, and err says
 * what is wrong with it. */
enum result phoenix_parse(struct str text, enum phoenix_vsn vsn, struct phoenix_frame *out,
                          struct err *err) MUST_CHECK;
void phoenix_frame_fini(struct phoenix_frame *frame);

/* The payload as a tree, made when it is first asked for; it lives as long as the frame. NULL where
 * jansson has no room for it: an integer over 64 bits, a NUL in a text. */
const struct json_t *phoenix_payload(struct phoenix_frame *frame);

/* Appends what stands before and behind the payload; the payload (JSON text) goes between. */
void phoenix_open(struct buf *out, enum phoenix_vsn vsn, struct phoenix_ref join_ref,
                  struct phoenix_ref ref, struct str topic, struct str event);
void phoenix_close(struct buf *out, enum phoenix_vsn vsn, struct phoenix_ref ref);

/* Both with a payload that is there already. */
void phoenix_write(struct buf *out, enum phoenix_vsn vsn, struct phoenix_ref join_ref,
                   struct phoenix_ref ref, struct str topic, struct str event, struct str payload);

#endif
