#include "base/random.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sysexits.h>

/* Waits while the machine has just been started and has gathered no randomness yet. A kernel
 * without this call (before 3.17) is none that we can run on. */
void random_fill(void *out, size_t len)
{
    unsigned char *p = out;

    while (len > 0) {
        ssize_t got = getrandom(p, len, 0);

        if (got < 0 && errno != EINTR) {
            perror("getrandom");
            exit(EX_OSERR);
        }
        if (got > 0) {
            p += got;
            len -= (size_t)got;
        }
    }
}

const char *random_uuid(char out[RANDOM_UUID_TEXT])
{
    uint8_t b[16];

    random_fill(b, sizeof(b));
    b[6] = (uint8_t)(0x40 | (b[6] & 0x0f));
    b[8] = (uint8_t)(0x80 | (b[8] & 0x3f));
    snprintf(out, RANDOM_UUID_TEXT,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
    return out;
}
