/* Runs a fuzz target over files, without libFuzzer: what the normal tests do with the corpus. A
 * target that finds something aborts the program, so each file has its own process. */
#include "fuzz.h"

static uint8_t *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;
    size_t room = 0;

    *size = 0;
    while (file && !feof(file) && !ferror(file)) {
        if (*size == room) {
            room = room ? room * 2 : 4096;
            data = realloc(data, room);
            if (!data)
                abort();
        }
        *size += fread(data + *size, 1, room - *size, file);
    }
    if (!file || ferror(file)) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
    fclose(file);
    return data;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        size_t size;
        uint8_t *data = read_file(argv[i], &size);
        uint8_t *exact = malloc(size ? size : 1); /* a sanitizer sees a read beyond it */

        if (!exact)
            abort();
        if (size)
            memcpy(exact, data, size);
        free(data);
        LLVMFuzzerTestOneInput(exact, size);
        free(exact);
    }
    return 0;
}
