/* Who brought this text? The one place that knows both kinds: an API key ("phk_..."), looked up in
 * the ring, and anything else, which has to be a JWT. Both become a struct token.
 *
 * A JWT may do whatever its role may. A key may do only what its scopes say, and only so often. */
#ifndef PGHERALD_TOKEN_AUTHORITY_H
#define PGHERALD_TOKEN_AUTHORITY_H

#include "base/stats.h"
#include "token/keyring.h"
#include "token/token.h"

struct authority {
    struct token_verifier *verifier;
    struct keyring *ring;
    struct stats *stats;
};

/* What came of a request, and what HTTP calls it. */
enum access {
    ACCESS_GRANTED,
    ACCESS_DENIED,      /* 401: nobody we know */
    ACCESS_UNKNOWN_KEY, /* 401: nobody yet, but the key of his token may be had soon */
    ACCESS_FORBIDDEN,   /* 403: known, but this is not for him */
    ACCESS_LIMITED,     /* 429: too often */
    ACCESS_LATER        /* 503: the keys are not known right now */
};

/* A moment on both clocks. */
struct moment {
    int64_t us;  /* since 1970 */
    uint64_t ms; /* monotonic */
};
struct moment moment_now(void);

void authority_init(struct authority *authority, struct str jwt_secret, size_t max_keys,
                    struct stats *stats);
void authority_fini(struct authority *authority);

/* Whether `text` may be used for `need`; *out, if so, says who it is. Otherwise *out is NULL and
 * err has the protocol's own words, such as "InvalidApiKey: ...". Nothing is counted. */
enum access authority_identify(const struct authority *authority, struct str text, enum scope need,
                               struct moment now, struct token **out, struct err *err) MUST_CHECK;

/* The same for a key that was identified before, by its id. */
enum access authority_identify_key(const struct authority *authority, const char *key_id,
                                   enum scope need, struct moment now, struct token **out,
                                   struct err *err) MUST_CHECK;

/* Whether a token of an earlier moment still holds: that of a key is made anew, as the key is now.
 * *out is NULL also if it holds as it is, which that of a JWT does until it expires. */
enum access authority_renew(const struct authority *authority, const struct token *token,
                            enum scope need, struct moment now, struct token **out,
                            struct err *err) MUST_CHECK;

/* A request: counts against the key's rate, and in its usage once authority_settle() is told how it
 * ended, which has to happen whatever the answer is. */
struct admission {
    struct token *token; /* NULL unless granted; the admission's */
    char key_id[KEY_ID_BYTES];
    struct allowance allowance; /* limit 0: there is none */
    unsigned retry_after_s;     /* with ACCESS_LIMITED and ACCESS_LATER */
};
enum access authority_admit(const struct authority *authority, struct str text, enum scope need,
                            struct moment now, struct admission *out, struct err *err) MUST_CHECK;
void authority_settle(const struct authority *authority, struct admission *admission,
                      struct moment now, bool failed);

/* The HTTP status of an access: 200, 401, 403, 429, 503. */
unsigned access_status(enum access access);

#endif
