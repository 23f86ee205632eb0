#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those before it */
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "dispatch/guard.h"

/* Both sides of the borders of every range. */
static const struct address {
    const char *text;
    const char *refusal; /* how it starts; NULL: allowed */
} addresses[] = {
    {"0.0.0.0", "0.0.0.0/8"},
    {"0.255.255.255", "0.0.0.0/8"},
    {"1.0.0.0", NULL},
    {"9.255.255.255", NULL},
    {"10.0.0.0", "10.0.0.0/8"},
    {"10.255.255.255", "10.0.0.0/8"},
    {"11.0.0.0", NULL},
    {"100.63.255.255", NULL},
    {"100.64.0.0", "100.64.0.0/10"},
    {"100.127.255.255", "100.64.0.0/10"},
    {"100.128.0.0", NULL},
    {"126.255.255.255", NULL},
    {"127.0.0.0", "127.0.0.0/8"},
    {"127.0.0.1", "127.0.0.0/8"},
    {"127.255.255.255", "127.0.0.0/8"},
    {"128.0.0.0", NULL},
    {"169.253.255.255", NULL},
    {"169.254.0.0", "169.254.0.0/16"},
    {"169.254.169.254", "169.254.0.0/16"},
    {"169.254.255.255", "169.254.0.0/16"},
    {"169.255.0.0", NULL},
    {"172.15.255.255", NULL},
    {"172.16.0.0", "172.16.0.0/12"},
    {"172.31.255.255", "172.16.0.0/12"},
    {"172.32.0.0", NULL},
    {"191.255.255.255", NULL},
    {"192.0.0.0", "192.0.0.0/24"},
    {"192.0.0.255", "192.0.0.0/24"},
    {"192.0.1.0", NULL},
    {"192.0.1.255", NULL},
    {"192.0.2.0", "192.0.2.0/24"},
    {"192.0.2.255", "192.0.2.0/24"},
    {"192.0.3.0", NULL},
    {"192.88.98.255", NULL},
    {"192.88.99.0", "192.88.99.0/24"},
    {"192.88.99.255", "192.88.99.0/24"},
    {"192.88.100.0", NULL},
    {"192.167.255.255", NULL},
    {"192.168.0.0", "192.168.0.0/16"},
    {"192.168.255.255", "192.168.0.0/16"},
    {"192.169.0.0", NULL},
    {"198.17.255.255", NULL},
    {"198.18.0.0", "198.18.0.0/15"},
    {"198.19.255.255", "198.18.0.0/15"},
    {"198.20.0.0", NULL},
    {"198.51.99.255", NULL},
    {"198.51.100.0", "198.51.100.0/24"},
    {"198.51.100.255", "198.51.100.0/24"},
    {"198.51.101.0", NULL},
    {"203.0.112.255", NULL},
    {"203.0.113.0", "203.0.113.0/24"},
    {"203.0.113.255", "203.0.113.0/24"},
    {"203.0.114.0", NULL},
    {"223.255.255.255", NULL},
    {"224.0.0.0", "224.0.0.0/4"},
    {"239.255.255.255", "224.0.0.0/4"},
    {"240.0.0.0", "240.0.0.0/4"},
    {"255.255.255.255", "240.0.0.0/4"},

    {"::", "::, unspecified"},
    {"::1", "::1, loopback"},
    {"::2", "outside"},
    {"::7f00:1", "outside"},
    {"::ffff:127.0.0.1", "127.0.0.0/8"},
    {"::ffff:10.0.0.1", "10.0.0.0/8"},
    {"::ffff:169.254.169.254", "169.254.0.0/16"},
    {"::ffff:0.0.0.0", "0.0.0.0/8"},
    {"::ffff:9.255.255.255", NULL},
    {"::ffff:8.8.8.8", NULL},
    {"::fffe:8.8.8.8", "outside"},
    {"::ffff:0:8.8.8.8", "outside"},
    {"64:ff9a:ffff:ffff:ffff:ffff:ffff:ffff", "outside"},
    {"64:ff9b::", "64:ff9b::/96"},
    {"64:ff9b::127.0.0.1", "64:ff9b::/96"},
    {"64:ff9b::255.255.255.255", "64:ff9b::/96"},
    {"64:ff9b::1:0:0", "outside"},
    {"64:ff9b:1::", "64:ff9b:1::/48"},
    {"64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "64:ff9b:1::/48"},
    {"64:ff9b:2::", "outside"},
    {"ff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "outside"},
    {"100::", "100::/64"},
    {"100::ffff:ffff:ffff:ffff", "100::/64"},
    {"100:0:0:1::", "outside"},
    {"1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "outside"},
    {"2000::", NULL},
    {"2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL},
    {"2001::", "2001::/23"},
    {"2001::1", "2001::/23"},
    {"2001:0:ffff:ffff:ffff:ffff:ffff:ffff", "2001::/23"},
    {"2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "2001::/23"},
    {"2001:200::", NULL},
    {"2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", NULL},
    {"2001:db8::", "2001:db8::/32"},
    {"2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8::/32"},
    {"2001:db9::", NULL},
    {"2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL},
    {"2002::", "2002::/16"},
    {"2002:7f00:1::", "2002::/16"},
    {"2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2002::/16"},
    {"2003::", NULL},
    {"2606:4700::1111", NULL},
    {"3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL},
    {"3fff::", "3fff::/20"},
    {"3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff::/20"},
    {"3fff:1000::", NULL},
    {"3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL},
    {"4000::", "outside"},
    {"fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "outside"},
    {"fc00::", "fc00::/7"},
    {"fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fc00::/7"},
    {"fe00::", "outside"},
    {"fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "outside"},
    {"fe80::", "fe80::/10"},
    {"febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe80::/10"},
    {"fec0::", "outside"},
    {"feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "outside"},
    {"ff00::", "ff00::/8"},
    {"ff02::1", "ff00::/8"},
    {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ff00::/8"},
};

static const char *refusal_of(const char *text)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct sockaddr_in v4 = {.sin_family = AF_INET};

    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return guard_refusal((struct sockaddr *)&v4, sizeof(v4));
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return guard_refusal((struct sockaddr *)&v6, sizeof(v6));
}

static void judges_addresses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        const struct address *a = &addresses[i];
        const char *got = refusal_of(a->text);

        if (!got != !a->refusal || (got && strncmp(got, a->refusal, strlen(a->refusal)) != 0))
            fail_msg("%s: %s", a->text, got ? got : "allowed");
    }
}

static void refuses_what_is_no_internet_address(void **state)
{
    struct sockaddr other = {.sa_family = AF_UNIX};
    struct sockaddr_in v4 = {.sin_family = AF_INET};

    (void)state;
    assert_non_null(guard_refusal(&other, sizeof(other)));
    inet_pton(AF_INET, "8.8.8.8", &v4.sin_addr);
    assert_null(guard_refusal((struct sockaddr *)&v4, sizeof(v4)));
    assert_non_null(guard_refusal((struct sockaddr *)&v4, 4)); /* cut short */
}

#define LISTS(...)                                                                                 \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

static const struct wish {
    const char *says;
    bool allow_private;
    const char *allow[4], *only[4];
    const char *host, *address;
    const char *refused; /* how the reason starts; NULL: allowed */
} wishes[] = {
    {"without lists the public", false, {0}, {0}, "example.com", "8.8.8.8", NULL},
    {"and nothing else", false, {0}, {0}, "example.com", "10.0.0.1", "the host's address is not"},
    {"any address", true, {0}, {0}, "example.com", "10.0.0.1", NULL},
    {"a network that was opened", false, LISTS("10.0.0.0/24"), {0}, "x", "10.0.0.1", NULL},
    {"does not open the next", false, LISTS("10.0.0.0/24"), {0}, "x", "10.0.1.1", "the host's"},
    {"a host that was opened", false, LISTS("hooks"), {0}, "hooks", "10.0.1.1", NULL},
    {"what was opened takes nothing from the public",
     false,
     LISTS("hooks"),
     {0},
     "x",
     "8.8.8.8",
     NULL},
    {"only a host", false, {0}, LISTS("*.example.com"), "a.example.com", "8.8.8.8", NULL},
    {"and no other",
     false,
     {0},
     LISTS("*.example.com"),
     "x",
     "8.8.8.8",
     "webhook_only lists neither"},
    {"also where all is private",
     true,
     {0},
     LISTS("a"),
     "x",
     "10.0.0.1",
     "webhook_only lists neither"},
    {"only a network", false, {0}, LISTS("8.8.8.0/24", "a"), "x", "8.8.8.8", NULL},
    {"being listed does not open it",
     false,
     {0},
     LISTS("a"),
     "a",
     "10.0.0.1",
     "the host's address"},
    {"being opened does not list it", false, LISTS("a"), LISTS("b"), "a", "10.0.0.1",
     "webhook_only"},
    {"both do", false, LISTS("10.0.0.0/8"), LISTS("a"), "a", "10.0.0.1", NULL},
};

static struct config_list list_of(const char *const items[4])
{
    struct config_list list = {(char **)(uintptr_t)items, 0};

    while (list.count < 4 && items[list.count])
        list.count++;
    return list;
}

static void follows_the_lists(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++) {
        const struct wish *w = &wishes[i];
        const struct config_list allow = list_of(w->allow), only = list_of(w->only);
        const struct guard_settings settings = {w->allow_private, &allow, &only};
        struct sockaddr_in v4 = {.sin_family = AF_INET};
        struct guard_refused refused;
        struct guard *guard;
        struct err err;
        bool allowed;

        assert_int_equal(guard_new(&settings, &guard, &err), OK);
        inet_pton(AF_INET, w->address, &v4.sin_addr);
        allowed = guard_allows(guard, str_c(w->host), (struct sockaddr *)&v4, sizeof(v4), &refused);
        if (allowed != !w->refused)
            fail_msg("%s: %s", w->says, allowed ? "allowed" : refused.why);
        if (w->refused && strncmp(refused.why, w->refused, strlen(w->refused)) != 0)
            fail_msg("%s: %s", w->says, refused.why);
        guard_free(guard);
    }
}

static void says_which_list_is_wrong(void **state)
{
    const struct config_list wrong = {(char *[]){(char *)(uintptr_t) "10.0.0.0/40"}, 1};
    struct guard *guard;
    struct err err;

    (void)state;
    assert_int_equal(guard_new(&(struct guard_settings){.allow = &wrong}, &guard, &err), FAILED);
    assert_non_null(strstr(err.message, "webhook_allow: 10.0.0.0/40"));
    assert_int_equal(guard_new(&(struct guard_settings){.only = &wrong}, &guard, &err), FAILED);
    assert_non_null(strstr(err.message, "webhook_only: 10.0.0.0/40"));
    guard_free(NULL);
}

static const struct url {
    const char *text;
    const char *error; /* NULL: fine */
} urls[] = {
    {"http://example.com/hook", NULL},
    {"https://example.com", NULL},
    {"HTTPS://example.com:8443/a?b=c#d", NULL},
    {"https://[2606:4700::1111]:80/", NULL},
    {"https://example.com/~a@b", NULL},
    {"https://example.com?mail=a@b", NULL},
    {"https://user:secretword@example.com/", "credentials"},
    {"https://secretword@example.com/", "credentials"},
    {"https://@example.com/", "credentials"},
    {"https://a@b@example.com/", "credentials"},
    {"ftp://example.com/secretword", "http"},
    {"file:///etc/secretword", "http"},
    {"gopher://example.com/secretword", "http"},
    {"http:/example.com/secretword", "http"},
    {"//example.com/secretword", "http"},
    {"example.com/secretword", "http"},
    {"", "http"},
    {"http://", "no host"},
    {"https:///secretword", "no host"},
    {"https://:443/secretword", "no host"},
    {"https://example.com/a secretword", "a space"},
    {"https://example.com/\nsecretword", "a space"},
    {"https://example.com\\@secretword/", "backslash"},
    {"https://example.com/\x7fsecretword", "control"},
};

static void judges_urls_without_quoting_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        const struct url *u = &urls[i];
        struct err err = {""};
        enum result result = guard_check_url(str_c(u->text), &err);

        if ((result == OK) != (u->error == NULL))
            fail_msg("%s: %s", u->text, result == OK ? "taken" : err.message);
        if (u->error && !strstr(err.message, u->error))
            fail_msg("%s: says %s", u->text, err.message);
        if (strstr(err.message, "secretword"))
            fail_msg("%s: the error quotes it", u->text);
    }
    assert_int_equal(guard_check_url(str_from("http://a\0b/", 11), &(struct err){""}), FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judges_addresses),
        cmocka_unit_test(refuses_what_is_no_internet_address),
        cmocka_unit_test(follows_the_lists),
        cmocka_unit_test(says_which_list_is_wrong),
        cmocka_unit_test(judges_urls_without_quoting_them),
    };

    return cmocka_run_group_tests_name("dispatch/guard", tests, NULL, NULL);
}
