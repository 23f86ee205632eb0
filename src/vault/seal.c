#include "vault/seal.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#define VERSION 0x01
#define NONCE_BYTES 12
#define TAG_BYTES 16
#define HEAD_BYTES (1 + NONCE_BYTES)
#define PLACE_MAX (64 * 1024) /* bytes of what is authenticated besides */

_Static_assert(HEAD_BYTES + TAG_BYTES == SEAL_OVERHEAD,
               "the header says how long a sealed value is");

static void add_lower(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];

        buf_add_char(out, c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c);
    }
}

static bool has_nul(struct str text)
{
    return text.len > 0 && memchr(text.data, '\0', text.len);
}

/* NUL separates the parts: no PostgreSQL text holds one, so two places never look alike. */
static enum result write_place(const struct seal_place *place, struct buf *out, struct err *err)
{
    if (has_nul(place->user_id) || has_nul(place->account_id))
        return err_set(err, "a user's or an account's id holds a NUL byte");
    buf_add_c(out, place->table);
    buf_add_char(out, '\0');
    add_lower(out, place->user_id);
    buf_add_char(out, '\0');
    buf_add_str(out, place->account_id);
    buf_add_char(out, '\0');
    buf_add_c(out, place->column);
    return buf_ok(out) ? OK : err_set(err, "the account's id is too long");
}

/* One direction of the cipher; the parts are in the order of the sealed form. */
struct cipher_run {
    const struct vault_key *key;
    struct str place;
    const uint8_t *nonce;
    struct str in;
    uint8_t *out; /* in.len bytes */
    uint8_t *tag; /* written when sealing, read when opening */
    bool sealing;
};

/* Lengths are bounded by SEAL_MAX and PLACE_MAX, so they fit an int. */
static bool run_cipher(const struct cipher_run *run, EVP_CIPHER_CTX *context)
{
    int direction = run->sealing, len = 0, rest = 0;

    if (!EVP_CipherInit_ex(context, EVP_aes_256_gcm(), NULL, run->key->bytes, run->nonce,
                           direction) ||
        !EVP_CipherUpdate(context, NULL, &len, (const uint8_t *)run->place.data,
                          (int)run->place.len) ||
        !EVP_CipherUpdate(context, run->out, &len, (const uint8_t *)run->in.data, (int)run->in.len))
        return false;
    if (!run->sealing && !EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, run->tag))
        return false;
    if (EVP_CipherFinal_ex(context, run->out + len, &rest) != 1)
        return false;
    return !run->sealing ||
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, run->tag);
}

static bool run_in_place(struct cipher_run *run, const struct seal_place *place, struct err *err)
{
    EVP_CIPHER_CTX *context = NULL;
    bool done = false;
    struct buf text;

    buf_init(&text, PLACE_MAX);
    if (write_place(place, &text, err) == OK) {
        context = EVP_CIPHER_CTX_new();
        run->place = buf_str(&text);
        done = context && run_cipher(run, context);
        if (!done)
            err_set(err, "%s",
                    run->sealing ? "OpenSSL could not encrypt"
                                 : "it does not open: sealed under another key or for another row, "
                                   "or changed since");
    }
    EVP_CIPHER_CTX_free(context);
    buf_fini(&text);
    return done;
}

enum result seal(const struct vault_key *key, const struct seal_place *place, struct str plain,
                 struct buf *out, struct err *err)
{
    uint8_t *head;
    struct cipher_run run = {.key = key, .in = plain, .sealing = true};

    if (plain.len > SEAL_PLAIN_MAX)
        return err_set(err, "%zu bytes, at most %d can be sealed", plain.len, SEAL_PLAIN_MAX);
    if (!buf_reserve(out, plain.len + SEAL_OVERHEAD))
        return err_set(err, "no room for the sealed value");
    head = (uint8_t *)out->data + out->len;
    head[0] = VERSION;
    run.nonce = head + 1;
    run.out = head + HEAD_BYTES;
    run.tag = run.out + plain.len;
    if (RAND_bytes(head + 1, NONCE_BYTES) != 1)
        return err_set(err, "OpenSSL has no random bytes");
    if (!run_in_place(&run, place, err))
        return FAILED;
    out->len += plain.len + SEAL_OVERHEAD;
    out->data[out->len] = '\0';
    return OK;
}

enum result seal_open(const struct vault_key *key, const struct seal_place *place,
                      struct str sealed, struct buf *out, struct err *err)
{
    uint8_t tag[TAG_BYTES];
    struct cipher_run run = {.key = key, .tag = tag};
    size_t plain;

    if (sealed.len < SEAL_OVERHEAD || sealed.data[0] != VERSION)
        return err_set(err, "it is not in the sealed form that docs/oauth-tokens.md describes");
    if (sealed.len > SEAL_MAX)
        return err_set(err, "%zu bytes, at most %d can be opened", sealed.len, SEAL_MAX);
    plain = sealed.len - SEAL_OVERHEAD;
    if (!buf_reserve(out, plain))
        return err_set(err, "no room for the plain text");
    run.nonce = (const uint8_t *)sealed.data + 1;
    run.in = str_from(sealed.data + HEAD_BYTES, plain);
    run.out = (uint8_t *)out->data + out->len;
    memcpy(tag, sealed.data + HEAD_BYTES + plain, TAG_BYTES);
    if (!run_in_place(&run, place, err)) {
        OPENSSL_cleanse(run.out, plain); /* decrypted, but not known to be genuine */
        out->data[out->len] = '\0';
        return FAILED;
    }
    out->len += plain;
    out->data[out->len] = '\0';
    return OK;
}
