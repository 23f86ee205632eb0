/* A name server under a test's control: put in front of libc with LD_PRELOAD, it answers for the names
 * in the file $FAKE_DNS, one a line: `name sleep_ms address...`. All other names go to libc. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int lookup(const char *, const char *, const struct addrinfo *, struct addrinfo **);

static int answer(lookup *real, char *rest, const char *service, const struct addrinfo *hints,
                  struct addrinfo **found)
{
    char *at, *word = strtok_r(rest, " \n", &at);
    struct addrinfo **last = found;

    usleep((useconds_t)(word ? atoi(word) : 0) * 1000);
    *found = NULL;
    while ((word = strtok_r(NULL, " \n", &at))) {
        if (real(word, service, hints, last) != 0)
            continue;
        while (*last)
            last = &(*last)->ai_next;
    }
    return *found ? 0 : EAI_NONAME;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **found)
{
    lookup *real = (lookup *)dlsym(RTLD_NEXT, "getaddrinfo");
    const char *path = getenv("FAKE_DNS");
    FILE *file = path && name ? fopen(path, "r") : NULL;
    size_t len = name ? strlen(name) : 0;
    char line[1024];

    while (file && fgets(line, sizeof(line), file)) {
        if (strncmp(line, name, len) != 0 || line[len] != ' ')
            continue;
        fclose(file);
        return answer(real, line + len + 1, service, hints, found);
    }
    if (file)
        fclose(file);
    return real(name, service, hints, found);
}
