#include "rules/digest.h"

#include <openssl/evp.h>

#include "base/encode.h"
#include "row/value.h"

#define MAX_TEXT ((size_t)1 << 30) /* a field of PostgreSQL's is no longer */

void digest_add(struct buf *out, const struct audit_policy *policy, const struct column *column)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    struct buf text;

    buf_init(&text, MAX_TEXT);
    buf_add_c(&text, policy->hash_secret);
    value_add_text(&text, column);
    if (policy->hash_secret[0] == '\0' || !buf_ok(&text) ||
        EVP_Digest(text.data, text.len, digest, &len, EVP_sha256(), NULL) != 1) {
        buf_add_c(out, "\"[redacted]\"");
    } else {
        buf_add_c(out, "\"sha256:");
        hex_encode(out, digest, len);
        buf_add_char(out, '"');
    }
    buf_fini(&text);
}
