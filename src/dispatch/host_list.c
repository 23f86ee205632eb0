#include "dispatch/host_list.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define HOST_MAX 253 /* bytes of a name, RFC 1035 */

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool host_list_prefix_has(const uint8_t *prefix, unsigned bits, const uint8_t *address)
{
    unsigned whole = bits / 8, rest = bits % 8;

    if (memcmp(prefix, address, whole) != 0)
        return false;
    return rest == 0 || (prefix[whole] ^ address[whole]) >> (8 - rest) == 0;
}

/* Reading */

static bool read_address(const char *text, struct host_item *out, unsigned *width)
{
    if (inet_pton(AF_INET, text, out->prefix + 12) == 1) {
        memcpy(out->prefix, mapped, 12);
        *width = 32;
        return true;
    }
    *width = 128;
    return inet_pton(AF_INET6, text, out->prefix) == 1;
}

static bool has_bits_behind(const struct host_item *item)
{
    for (unsigned bit = item->bits; bit < 128; bit++)
        if (item->prefix[bit / 8] >> (7 - bit % 8) & 1)
            return true;
    return false;
}

static enum result read_network(struct str address, struct str length, struct host_item *out,
                                const char *text, struct err *err)
{
    char copy[INET6_ADDRSTRLEN] = "";
    unsigned width;
    uint64_t bits;

    if (address.len >= sizeof(copy))
        return err_set(err, "%s is no network", text);
    memcpy(copy, address.data, address.len);
    if (!read_address(copy, out, &width) || !str_to_u64(length, &bits) || bits > width)
        return err_set(err, "%s is no network: 10.1.0.0/16 or fd00::/8 would be", text);
    out->bits = 128 - width + (unsigned)bits;
    if (has_bits_behind(out))
        return err_set(err, "%s has bits of an address behind its prefix", text);
    return OK;
}

static enum result read_host(const char *text, struct host_item *item, struct err *err)
{
    size_t len = strlen(text);

    if (len > 0 && text[len - 1] == '.')
        len--;
    if (len == 0 || len > HOST_MAX ||
        strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.*") <
            strlen(text))
        return err_set(err, "%.100s is no address, no network and no host's name", text);
    item->host = str_dup(str_from(text, len));
    for (char *c = item->host; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    return OK;
}

static enum result read_item(const char *text, struct host_item *item, struct err *err)
{
    struct str address, length;
    unsigned width;

    *item = (struct host_item){0};
    if (str_split(str_c(text), '/', &address, &length))
        return read_network(address, length, item, text, err);
    item->bits = 128;
    return read_address(text, item, &width) ? OK : read_host(text, item, err);
}

enum result host_list_read(struct host_list *list, const struct config_list *from, struct err *err)
{
    if (!from)
        return OK;
    list->items = mem_array(from->count, sizeof(*list->items));
    for (size_t i = 0; i < from->count; i++) {
        struct host_item *item = &list->items[list->count];

        if (read_item(from->items[i], item, err) != OK)
            return FAILED;
        list->count++;
        list->names += item->host != NULL;
    }
    return OK;
}

void host_list_fini(struct host_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i].host);
    free(list->items);
    *list = (struct host_list){0};
}

/* As the lists have names: in lower case, without the dot at the end. */
static struct str plain_host(struct str host, char out[HOST_MAX])
{
    if (host.len > 0 && host.data[host.len - 1] == '.')
        host.len--;
    if (host.len > HOST_MAX)
        return STR("");
    for (size_t i = 0; i < host.len; i++) {
        char c = host.data[i];

        out[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    return str_from(out, host.len);
}

bool host_list_has(const struct host_list *list, struct str host, const uint8_t address[16])
{
    char lower[HOST_MAX];

    host = plain_host(host, lower);
    for (size_t i = 0; i < list->count; i++) {
        const struct host_item *item = &list->items[i];

        if (item->host ? str_glob(str_c(item->host), host)
                       : host_list_prefix_has(item->prefix, item->bits, address))
            return true;
    }
    return false;
}
