#include "vault/mac.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <string.h>

#include "base/encode.h"

bool mac_key_read(struct mac_key *key, struct str hex)
{
    struct buf bytes;

    *key = (struct mac_key){0};
    buf_init(&bytes, MAC_KEY_BYTES);
    if (hex_decode(&bytes, hex) && buf_ok(&bytes) && bytes.len == MAC_KEY_BYTES) {
        memcpy(key->bytes, bytes.data, MAC_KEY_BYTES);
        key->is_known = true;
    }
    buf_wipe(&bytes);
    return key->is_known;
}

bool mac_is_valid(const struct mac_key *key, struct str text, const uint8_t code[MAC_BYTES])
{
    uint8_t wanted[MAC_BYTES];
    unsigned len = 0;

    return key->is_known &&
           HMAC(EVP_sha256(), key->bytes, MAC_KEY_BYTES, (const uint8_t *)text.data, text.len,
                wanted, &len) &&
           len == MAC_BYTES && CRYPTO_memcmp(wanted, code, MAC_BYTES) == 0;
}
