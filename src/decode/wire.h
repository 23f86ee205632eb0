/* A cursor over a message of pgoutput: big-endian integers, texts that end in NUL, bytes of a given
 * length. Every read checks first that it is all there. */
#ifndef PGHERALD_DECODE_WIRE_H
#define PGHERALD_DECODE_WIRE_H

#include "base/err.h"
#include "base/str.h"

struct wire {
    const char *start;
    const char *p;
    const char *end;
    struct err *err;
};

/* "pgoutput message of type T, byte N: expected WANTED"; always FAILED. */
enum result wire_fail(const struct wire *wire, const char *wanted);

enum result wire_u8(struct wire *wire, uint8_t *out) MUST_CHECK;
enum result wire_u16(struct wire *wire, uint16_t *out) MUST_CHECK;
enum result wire_u32(struct wire *wire, uint32_t *out) MUST_CHECK;
enum result wire_u64(struct wire *wire, uint64_t *out) MUST_CHECK;

/* A text with a NUL behind it. */
enum result wire_text(struct wire *wire, struct str *out) MUST_CHECK;
/* A length of four bytes and so many bytes. */
enum result wire_counted(struct wire *wire, struct str *out) MUST_CHECK;
/* FAILED if anything is left. */
enum result wire_end(const struct wire *wire) MUST_CHECK;

#endif
