#include "dispatch/guard.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "dispatch/host_list.h"

/* Sources: RFC 6890 and the IANA special-purpose address registries. */
struct range {
    uint8_t prefix[16];
    unsigned bits;
    const char *what;
};

static const struct range v4_ranges[] = {
    {{0}, 8, "0.0.0.0/8, this network"},
    {{10}, 8, "10.0.0.0/8, private"},
    {{100, 64}, 10, "100.64.0.0/10, shared by carriers"},
    {{127}, 8, "127.0.0.0/8, loopback"},
    {{169, 254}, 16, "169.254.0.0/16, link-local"},
    {{172, 16}, 12, "172.16.0.0/12, private"},
    {{192, 0, 0}, 24, "192.0.0.0/24, protocol assignments"},
    {{192, 0, 2}, 24, "192.0.2.0/24, documentation"},
    {{192, 88, 99}, 24, "192.88.99.0/24, 6to4 relays"},
    {{192, 168}, 16, "192.168.0.0/16, private"},
    {{198, 18}, 15, "198.18.0.0/15, benchmarks"},
    {{198, 51, 100}, 24, "198.51.100.0/24, documentation"},
    {{203, 0, 113}, 24, "203.0.113.0/24, documentation"},
    {{224}, 4, "224.0.0.0/4, multicast"},
    {{240}, 4, "240.0.0.0/4, reserved"},
};

/* What lies within 2000::/3, the only part of IPv6 that is global unicast. */
static const struct range v6_ranges[] = {
    {{0x20, 0x01, 0x00}, 23, "2001::/23, protocol assignments with Teredo"},
    {{0x20, 0x01, 0x0d, 0xb8}, 32, "2001:db8::/32, documentation"},
    {{0x20, 0x02}, 16, "2002::/16, 6to4"},
    {{0x3f, 0xff, 0x00}, 20, "3fff::/20, documentation"},
};

/* Everything outside 2000::/3 is refused; these only get their proper names. */
static const struct range v6_names[] = {
    {{0}, 128, "::, unspecified"},
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128, "::1, loopback"},
    {{0x00, 0x64, 0xff, 0x9b}, 96, "64:ff9b::/96, NAT64"},
    {{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48, "64:ff9b:1::/48, NAT64"},
    {{0x01}, 64, "100::/64, discard"},
    {{0xfc}, 7, "fc00::/7, private"},
    {{0xfe, 0x80}, 10, "fe80::/10, link-local"},
    {{0xff}, 8, "ff00::/8, multicast"},
    {{0}, 0, "outside 2000::/3, not global unicast"},
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static bool is_in(const struct range *range, const uint8_t *address)
{
    return host_list_prefix_has(range->prefix, range->bits, address);
}

static const char *find(const struct range *ranges, size_t count, const uint8_t *address)
{
    for (size_t i = 0; i < count; i++)
        if (is_in(&ranges[i], address))
            return ranges[i].what;
    return NULL;
}

static const struct range mapped = {
    {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96, "::ffff:0:0/96"};

static const char *refusal_v6(const uint8_t *address)
{
    static const struct range global = {{0x20}, 3, "2000::/3"};

    if (is_in(&mapped, address)) /* the kernel connects to the IPv4 address inside */
        return find(v4_ranges, COUNT(v4_ranges), address + 12);
    if (is_in(&global, address))
        return find(v6_ranges, COUNT(v6_ranges), address);
    return find(v6_names, COUNT(v6_names), address);
}

/* Every address as one of IPv6, IPv4 in its mapped form: which is where the kernel connects to. */
static bool address_of(const struct sockaddr *address, size_t len, uint8_t out[16])
{
    if (address->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in v4;

        memcpy(&v4, address, sizeof(v4));
        memcpy(out, mapped.prefix, 12);
        memcpy(out + 12, &v4.sin_addr, 4);
        return true;
    }
    if (address->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 v6;

        memcpy(&v6, address, sizeof(v6));
        memcpy(out, v6.sin6_addr.s6_addr, 16);
        return true;
    }
    return false;
}

const char *guard_refusal(const struct sockaddr *address, size_t len)
{
    uint8_t bytes[16];

    return address_of(address, len, bytes) ? refusal_v6(bytes) : "neither IPv4 nor IPv6";
}

/* The operator's lists */

struct guard {
    bool allow_private;
    struct host_list allow, only;
};

enum result guard_new(const struct guard_settings *settings, struct guard **out, struct err *err)
{
    struct guard *guard = mem_alloc(sizeof(*guard));

    guard->allow_private = settings->allow_private;
    if (host_list_read(&guard->allow, settings->allow, err) != OK)
        err_context(err, "webhook_allow");
    else if (host_list_read(&guard->only, settings->only, err) != OK)
        err_context(err, "webhook_only");
    else {
        *out = guard;
        return OK;
    }
    guard_free(guard);
    *out = NULL;
    return FAILED;
}

void guard_free(struct guard *guard)
{
    if (!guard)
        return;
    host_list_fini(&guard->allow);
    host_list_fini(&guard->only);
    free(guard);
}

bool guard_asks_names(const struct guard *guard)
{
    return guard->allow.names + guard->only.names > 0;
}

bool guard_allows(const struct guard *guard, struct str host, const struct sockaddr *address,
                  size_t len, struct guard_refused *refused)
{
    uint8_t bytes[16];

    *refused =
        (struct guard_refused){"the host's address is not public", guard_refusal(address, len)};
    if (!address_of(address, len, bytes))
        return false;
    if (refused->range && !guard->allow_private && !host_list_has(&guard->allow, host, bytes))
        return false;
    *refused = (struct guard_refused){"webhook_only lists neither the host nor its address", NULL};
    return guard->only.count == 0 || host_list_has(&guard->only, host, bytes);
}

static bool is_plain(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];

        if (c <= ' ' || c == 0x7f || c == '\\')
            return false;
    }
    return true;
}

static bool skip_scheme(struct str *url)
{
    const struct str schemes[] = {STR("http://"), STR("https://")};

    for (size_t i = 0; i < COUNT(schemes); i++) {
        struct str scheme = schemes[i];

        if (url->len >= scheme.len && str_eq_nocase(str_from(url->data, scheme.len), scheme)) {
            url->data += scheme.len;
            url->len -= scheme.len;
            return true;
        }
    }
    return false;
}

static struct str authority_of(struct str rest)
{
    size_t len = 0;

    while (len < rest.len && !strchr("/?#", rest.data[len]))
        len++;
    return str_from(rest.data, len);
}

enum result guard_check_url(struct str url, struct err *err)
{
    struct str authority;

    if (!is_plain(url))
        return err_set(err, "the URL has a space, a control character or a backslash");
    if (!skip_scheme(&url))
        return err_set(err, "the URL does not start with http:// or https://");
    authority = authority_of(url);
    if (authority.len > 0 && memchr(authority.data, '@', authority.len))
        return err_set(err, "the URL has credentials in front of the host; use a header instead");
    if (authority.len == 0 || authority.data[0] == ':')
        return err_set(err, "the URL has no host");
    return OK;
}
