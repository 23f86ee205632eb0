#include "token/alg.h"

#include <string.h>

static const struct {
    const char *name;
    size_t signature_bytes;
} algs[] = {
    [ALG_HS256] = {"HS256", 32}, [ALG_RS256] = {"RS256", 0},  [ALG_RS384] = {"RS384", 0},
    [ALG_RS512] = {"RS512", 0},  [ALG_PS256] = {"PS256", 0},  [ALG_ES256] = {"ES256", 64},
    [ALG_ES384] = {"ES384", 96}, [ALG_EDDSA] = {"EdDSA", 64},
};

#define ALG_COUNT (sizeof(algs) / sizeof(*algs))

bool alg_find(const char *name, enum alg *out)
{
    for (size_t i = 0; name && i < ALG_COUNT; i++) {
        if (strcmp(name, algs[i].name) == 0) {
            *out = (enum alg)i;
            return true;
        }
    }
    return false;
}

size_t alg_signature_bytes(enum alg alg)
{
    return algs[alg].signature_bytes;
}

void alg_write(unsigned set, struct buf *out)
{
    const char *space = "";

    for (size_t i = 0; i < ALG_COUNT; i++) {
        if (set & ALG_BIT(i)) {
            buf_addf(out, "%s%s", space, algs[i].name);
            space = " ";
        }
    }
}
