/* The keys that seal OAuth tokens: the setting encryption_keys.
 *
 * A set is a list of `id:base64 of 32 bytes`. The first key seals; all of them open, so that a key
 * can be replaced while rows under the old one are still there. No error ever quotes a key. */
#ifndef PGHERALD_VAULT_KEYS_H
#define PGHERALD_VAULT_KEYS_H

#include "base/buf.h"
#include "base/err.h"

#define VAULT_KEY_BYTES 32  /* AES-256 */
#define VAULT_KEY_ID_MAX 32 /* bytes; fewer than a key in base64 has, see keys.c */
#define VAULT_KEYS_MAX 64

struct vault_key {
    char id[VAULT_KEY_ID_MAX + 1];
    uint8_t bytes[VAULT_KEY_BYTES];
};

struct vault_keys;

/* Reads a set, its keys separated by commas or lines. On FAILED *out is NULL and err names the key
 * by its place, and by its id if it has one. */
enum result vault_keys_parse(struct str text, struct vault_keys **out, struct err *err) MUST_CHECK;
/* Overwrites the keys. */
void vault_keys_free(struct vault_keys *keys);

size_t vault_keys_count(const struct vault_keys *keys); /* at least 1 */
/* In the order of the set; at 0 is the one that seals. */
const struct vault_key *vault_keys_at(const struct vault_keys *keys, size_t at);
/* NULL if no key has this id. */
const struct vault_key *vault_keys_find(const struct vault_keys *keys, struct str id);

/* Appends a fresh random key as the setting wants it, with an id such as k20261123-1f0c: the day
 * of now_us (microseconds since 1970, UTC) and something that tells two of one day apart. */
enum result vault_key_generate(struct buf *out, int64_t now_us, struct err *err) MUST_CHECK;

#endif
