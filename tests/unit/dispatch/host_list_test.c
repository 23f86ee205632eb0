#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those before it */
#include <cmocka.h>

#include <arpa/inet.h>
#include <string.h>

#include "dispatch/host_list.h"

static void address_of(const char *text, uint8_t out[16])
{
    char mapped[80] = "::ffff:";

    if (!strchr(text, ':'))
        text = strcat(mapped, text);
    assert_int_equal(inet_pton(AF_INET6, text, out), 1);
}

static const struct row {
    const char *says;
    const char *item, *host, *address;
    bool has;
} rows[] = {
    {"an address", "10.1.2.3", "", "10.1.2.3", true},
    {"and not its neighbour", "10.1.2.3", "", "10.1.2.4", false},
    {"in its mapped form", "10.1.2.3", "", "::ffff:10.1.2.3", true},
    {"the last of a network", "10.1.0.0/16", "", "10.1.255.255", true},
    {"the first behind it", "10.1.0.0/16", "", "10.2.0.0", false},
    {"a prefix that ends within a byte", "192.168.16.0/20", "", "192.168.31.255", true},
    {"and what is behind it", "192.168.16.0/20", "", "192.168.32.0", false},
    {"all of IPv4", "0.0.0.0/0", "", "255.255.255.255", true},
    {"is not IPv6", "0.0.0.0/0", "", "2606:4700::1111", false},
    {"an address of IPv6", "fd00::7", "", "fd00::7", true},
    {"a network of IPv6", "fd00::/8", "", "fdff::1", true},
    {"and what is behind it", "fd00::/8", "", "fe00::", false},
    {"the mapped form of a network", "::ffff:10.0.0.0/104", "", "10.9.9.9", true},
    {"a name, whatever the case", "Hooks.Example.com", "hooks.example.COM", "10.1.2.3", true},
    {"a dot at its end means the same", "hooks.example.com.", "hooks.example.com", "10.1.2.3",
     true},
    {"on either side", "hooks.example.com", "hooks.example.com.", "10.1.2.3", true},
    {"a name is not its end", "example.com", "evil-example.com", "10.1.2.3", false},
    {"nor its start", "example.com", "example.com.evil.net", "10.1.2.3", false},
    {"names below another", "*.example.com", "a.b.example.com", "10.1.2.3", true},
    {"without that one", "*.example.com", "example.com", "10.1.2.3", false},
    {"without those that only end like it", "*.example.com", "badexample.com", "10.1.2.3", false},
    {"a name says nothing about addresses", "hooks.example.com", "", "10.1.2.3", false},
};

static enum result read(struct host_list *list, const char *item, struct err *err)
{
    char *items[] = {(char *)(uintptr_t)item};
    const struct config_list from = {items, 1};

    *list = (struct host_list){0};
    return host_list_read(list, &from, err);
}

static void finds_hosts_and_addresses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct host_list list;
        struct err err = {""};
        uint8_t address[16];

        if (read(&list, rows[i].item, &err) != OK)
            fail_msg("%s: %s", rows[i].says, err.message);
        address_of(rows[i].address, address);
        if (host_list_has(&list, str_c(rows[i].host), address) != rows[i].has)
            fail_msg("%s: %s in %s", rows[i].says, rows[i].address, rows[i].item);
        assert_int_equal(list.names, strpbrk(rows[i].item, "ghijklmnopqrstuvwxyz") != NULL);
        host_list_fini(&list);
    }
}

static void refuses_what_is_none(void **state)
{
    static const char *const items[] = {
        "",           "10.0.0.0/33", "10.0.0.0/",        "10.0.0.0/a", "/8",
        "fd00::/129", "10.0.0.1/8",  "fd00::1/8",        "host/8",     "http://example.com",
        "a b",        "user@host",   "example.com:8080", "[::1]",      ".",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
        struct host_list list;
        struct err err = {""};

        if (read(&list, items[i], &err) == OK)
            fail_msg("taken: %s", items[i]);
        if (!strstr(err.message, items[i]))
            fail_msg("%s: %s", items[i], err.message);
        host_list_fini(&list);
    }
}

static void takes_no_list_for_an_empty_one(void **state)
{
    struct host_list list = {0};
    uint8_t address[16] = {0};
    struct err err;

    (void)state;
    assert_int_equal(host_list_read(&list, NULL, &err), OK);
    assert_false(host_list_has(&list, STR("example.com"), address));
    host_list_fini(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_hosts_and_addresses),
        cmocka_unit_test(refuses_what_is_none),
        cmocka_unit_test(takes_no_list_for_an_empty_one),
    };

    return cmocka_run_group_tests_name("dispatch/host_list", tests, NULL, NULL);
}
