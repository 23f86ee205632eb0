#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/buf.h"
#include "base/mem.h"
#include "pg/internal.h"

bool pg_params_need_resolving(const struct pg_params *params)
{
    const char *host = pg_params_get(params, "host");
    struct sockaddr_in6 ip6;
    struct sockaddr_in ip4;

    return host && *host && *host != '/' && *host != '@' && !strchr(host, ',') &&
           !pg_params_get(params, "hostaddr") && uv_ip4_addr(host, 0, &ip4) != 0 &&
           uv_ip6_addr(host, 0, &ip6) != 0;
}

/* libpq would resolve names in the foreground. One host name with several addresses becomes a list
 * of the same name with each address, which libpq tries in turn. */
void pg_params_set_addresses(struct pg_params *params, const struct addrinfo *found)
{
    const char *host = pg_params_get(params, "host");
    char *name = mem_strdup(host);
    struct buf names, addresses;
    char text[INET6_ADDRSTRLEN];

    buf_init(&names, 65536);
    buf_init(&addresses, 65536);
    for (; found; found = found->ai_next) {
        if (found->ai_family == AF_INET)
            uv_ip4_name((const struct sockaddr_in *)(const void *)found->ai_addr, text,
                        sizeof(text));
        else if (found->ai_family == AF_INET6)
            uv_ip6_name((const struct sockaddr_in6 *)(const void *)found->ai_addr, text,
                        sizeof(text));
        else
            continue;
        buf_addf(&names, "%s%s", names.len ? "," : "", name);
        buf_addf(&addresses, "%s%s", addresses.len ? "," : "", text);
    }
    if (addresses.len) {
        pg_params_set(params, "host", buf_str(&names).data);
        pg_params_set(params, "hostaddr", buf_str(&addresses).data);
    }
    buf_fini(&names);
    buf_fini(&addresses);
    free(name);
}
