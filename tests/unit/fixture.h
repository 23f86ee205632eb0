/* What many unit tests of the pipeline need: the types of an imaginary catalog, and changes as the
 * decoder makes them from messages of wal2json. */
#ifndef PGHERALD_TESTS_FIXTURE_H
#define PGHERALD_TESTS_FIXTURE_H

#include "unit.h"

#include "catalog.h"
#include "config/config.h"
#include "decode/decoder.h"
#include "row/change.h"

/* Reads a message that has to be good. */
static inline struct change fixture_read(struct decoder *decoder, const char *message)
{
    struct change change = {0};
    struct err err = {0};

    if (decoder_read(decoder, str_c(message), &err) != OK || !decoder_next(decoder, &change))
        fail_msg("%s", err.message);
    return change;
}

/* A configuration with nothing but what rules look at. */
static inline struct config *fixture_config(void)
{
    static char *redact[] = {(char *)(uintptr_t) "token", (char *)(uintptr_t) "*_hash"};
    static char *gateways[] = {(char *)(uintptr_t) "authenticator"};
    static struct config config;

    config.slot_name = (char *)(uintptr_t) "pgherald";
    config.audit = true;
    config.audit_gateway_roles = (struct config_list){gateways, COUNT(gateways)};
    config.audit_redact = (struct config_list){redact, COUNT(redact)};
    return &config;
}

/* Compares text that need not end in NUL; `says` is the sentence of the row. */
static inline void check_text(const char *says, struct str got, const char *wanted)
{
    if (!str_eq(got, str_c(wanted)))
        fail_msg("%s\n   wanted: %s\n   got:    %.*s", says, wanted, STR_ARG(got));
}

/* Compares bytes, shown in hex where they differ. */
static inline void check_bytes(const char *says, struct str got, struct str wanted)
{
    size_t at = 0;

    while (at < got.len && at < wanted.len && got.data[at] == wanted.data[at])
        at++;
    if (at < got.len || at < wanted.len)
        fail_msg("%s: %zu bytes for %zu, they differ at byte %zu: 0x%02x for 0x%02x", says, got.len,
                 wanted.len, at, at < got.len ? (unsigned char)got.data[at] : 0,
                 at < wanted.len ? (unsigned char)wanted.data[at] : 0);
}

#endif
