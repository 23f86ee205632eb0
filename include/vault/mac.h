/* HMAC-SHA256 under the database's own key: whether a text was written by a function of ours.
 * The signing half is pgherald.emit_context() in sql/migrations/021_audit_context.sql. */
#ifndef PGHERALD_VAULT_MAC_H
#define PGHERALD_VAULT_MAC_H

#include "base/str.h"

#define MAC_BYTES 32
#define MAC_KEY_BYTES 32

struct mac_key {
    bool is_known; /* false: nothing is valid */
    uint8_t bytes[MAC_KEY_BYTES];
};

/* Reads the key's hexadecimal digits; false, and the key unknown, if they are anything else. */
bool mac_key_read(struct mac_key *key, struct str hex);

/* In a time that does not tell how much of the code was right. */
bool mac_is_valid(const struct mac_key *key, struct str text, const uint8_t code[MAC_BYTES]);

#endif
