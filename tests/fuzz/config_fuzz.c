/* A configuration file. What is taken can be written out, and is the same when it is read again. */
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include "config/config.h"

#define MAX_OUT ((size_t)1 << 20)

static enum result load(struct str text, struct config **out, struct err *err)
{
    char path[64];
    int fd = memfd_create("conf", MFD_CLOEXEC);
    ssize_t put = write(fd, text.data ? text.data : "", text.len);
    enum result result;

    REQUIRE(put == (ssize_t)text.len, text);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    result = config_load(path, out, err);
    close(fd);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = input_text(data, size);
    struct config *config, *again;
    struct err err;
    struct buf keys;

    if (size > 65536)
        return 0;
    for (size_t i = 0; i + 5 < size;
         i++) /* which other file is read is not the fuzzer's to choose */
        if (memcmp(data + i, "t_file", 6) == 0 || memcmp(data + i, "l_file", 6) == 0 ||
            memcmp(data + i, "s_file", 6) == 0)
            return 0;
    if (load(text, &config, &err) != OK) {
        REQUIRE(config == NULL && err.message[0], text);
        return 0;
    }
    buf_init(&keys, MAX_OUT);
    config_write_effective(config, &keys);
    REQUIRE(buf_ok(&keys) && keys.len > 0, text);
    buf_clear(&keys);
    REQUIRE(load(text, &again, &err) == OK, text);
    REQUIRE(!config_needs_restart(config, again, &keys) && keys.len == 0, text);
    config_free(again);
    config_free(config);
    buf_fini(&keys);
    return 0;
}
