#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those before it */
#include <cmocka.h>

#include <string.h>

#include "dispatch/signature.h"

#define SPEC_SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define SPEC_ID "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define SPEC_BODY "{\"test\": 2432232314}"
#define SPEC_SIGNATURE "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
/* The key that Svix' own server is tested with; a made-up one, like the others here. */
#define ED25519_SEED "6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMb"
#define ED25519_SECRET "whsk_" ED25519_SEED "fVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
#define ED25519_PUBLIC "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
#define ED25519_SIGNATURE                                                                          \
    "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
#define SVIX_SECRET "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"

static const struct vector {
    const char *says;
    const char *secrets[3];
    const char *id;
    int64_t timestamp;
    const char *body;
    const char *signature;
} vectors[] = {
    {"the vector of the libraries of Standard Webhooks",
     {SPEC_SECRET},
     SPEC_ID,
     1614265330,
     SPEC_BODY,
     SPEC_SIGNATURE},
    {"the vector of Svix's documentation",
     {SVIX_SECRET},
     "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
     1649367553,
     "{\"email\":\"test@example.com\",\"username\":\"test_user\"}",
     "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="},
    {"white space around a secret that was pasted is no part of it",
     {" " SPEC_SECRET "\n"},
     SPEC_ID,
     1614265330,
     SPEC_BODY,
     SPEC_SIGNATURE},
    {"during a rotation both secrets sign, the first one first",
     {SPEC_SECRET, SVIX_SECRET},
     SPEC_ID,
     1614265330,
     SPEC_BODY,
     SPEC_SIGNATURE " v1,78nXHjpFP0tVJQW5D0SBwmVyyW87BV/rL6MgfM/Bw44="},
    {"the vector of v1a of Svix' server",
     {ED25519_SECRET},
     SPEC_ID,
     1614265330,
     SPEC_BODY,
     ED25519_SIGNATURE},
    {"the private half of an ed25519 key is enough",
     {"whsk_" ED25519_SEED "c="},
     SPEC_ID,
     1614265330,
     SPEC_BODY,
     ED25519_SIGNATURE},
    {"v1a and v1 side by side, with spaces between as the claim brings them",
     {ED25519_SECRET " " SPEC_SECRET},
     SPEC_ID,
     1614265330,
     SPEC_BODY,
     ED25519_SIGNATURE " " SPEC_SIGNATURE},
};

static void signs_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        const struct vector *v = &vectors[i];
        struct signature_keys keys = {0};
        struct err err = {""};
        struct buf out;

        buf_init(&out, 1024);
        for (size_t k = 0; v->secrets[k]; k++)
            assert_int_equal(signature_add_secrets(&keys, str_c(v->secrets[k]), &err), OK);
        if (signature_sign(&keys, str_c(v->id), v->timestamp, str_c(v->body), &out, &err) != OK)
            fail_msg("%s: %s", v->says, err.message);
        if (strcmp(out.data, v->signature) != 0)
            fail_msg("%s: got %s", v->says, out.data);
        buf_fini(&out);
    }
}

static const struct refusal {
    const char *says;
    const char *secret;
    const char *error; /* NULL: it is taken */
} refusals[] = {
    {"24 bytes are enough", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", NULL},
    {"23 bytes are not", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "the secret has 23 bytes"},
    {"64 bytes fit",
     "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
     "=",
     NULL},
    {"65 do not",
     "whsec_"
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
     "the secret has more than 64 bytes"},
    {"the prefix is needed", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "does not start with"},
    {"24 bytes are no key of ed25519", "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
     "has 32 or 64 bytes, not 24"},
    {"halves that do not belong together would give the private one away",
     "whsk_" ED25519_SEED "fVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6KvA==", "does not belong"},
    {"a public key signs nothing", ED25519_PUBLIC, "does not start with"},
    {"base64 only", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2La*aSw", "not base64"},
    {"nothing", "", "does not start with"},
};

static void refuses_bad_secrets_without_quoting_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        const struct refusal *r = &refusals[i];
        struct signature_keys keys = {0};
        struct err err = {""};
        enum result result = signature_add_secret(&keys, str_c(r->secret), &err);

        if ((result == OK) != (r->error == NULL))
            fail_msg("%s: %s", r->says, err.message);
        if (r->error && !strstr(err.message, r->error))
            fail_msg("%s: says %s", r->says, err.message);
        if (strlen(r->secret) > 10 && strstr(err.message, r->secret + 6))
            fail_msg("%s: the error quotes the secret", r->says);
        assert_int_equal(keys.count, result == OK ? 1 : 0);
    }
}

static void refuses_what_would_make_the_signed_text_ambiguous(void **state)
{
    struct signature_keys keys = {0};
    struct err err = {""};
    struct buf out;

    (void)state;
    buf_init(&out, 1024);
    assert_int_equal(signature_sign(&keys, STR("msg_1"), 1, STR("{}"), &out, &err), FAILED);
    assert_int_equal(signature_add_secret(&keys, STR(SPEC_SECRET), &err), OK);
    assert_int_equal(signature_sign(&keys, STR("msg.1"), 1, STR("{}"), &out, &err), FAILED);
    assert_int_equal(signature_sign(&keys, STR(""), 1, STR("{}"), &out, &err), FAILED);
    buf_fini(&out);
    buf_init(&out, 8);
    assert_int_equal(signature_sign(&keys, STR("msg_1"), 1, STR("{}"), &out, &err), FAILED);
    buf_fini(&out);
}

static void makes_new_secrets(void **state)
{
    static const struct {
        const char *scheme;
        const char *prefix;
        size_t secret_len, public_len;
    } rows[] = {{"v1", "whsec_", 6 + 44, 0}, {"v1a", "whsk_", 5 + 88, 5 + 44}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct signature_pair pair, other, again;
        enum signature_scheme scheme;
        struct err err;

        assert_true(signature_scheme_parse(str_c(rows[i].scheme), &scheme));
        assert_int_equal(signature_generate(scheme, &pair, &err), OK);
        assert_int_equal(signature_generate(scheme, &other, &err), OK);
        assert_string_not_equal(pair.secret, other.secret);
        assert_int_equal(strlen(pair.secret), rows[i].secret_len);
        assert_int_equal(strlen(pair.public_key), rows[i].public_len);
        assert_true(str_starts(str_c(pair.secret), str_c(rows[i].prefix)));
        assert_int_equal(signature_read_pair(str_c(pair.secret), &again, &err), OK);
        assert_memory_equal(&pair, &again, sizeof(pair));
        signature_wipe_pair(&pair);
        assert_int_equal(pair.secret[0], 0);
    }
    assert_false(signature_scheme_parse(STR("v2"), &(enum signature_scheme){0}));
}

static void shows_the_public_key_of_a_secret(void **state)
{
    struct signature_pair pair;
    struct err err;

    (void)state;
    assert_int_equal(signature_read_pair(STR("whsk_" ED25519_SEED "c="), &pair, &err), OK);
    assert_string_equal(pair.secret, ED25519_SECRET);
    assert_string_equal(pair.public_key, ED25519_PUBLIC);
}

static void takes_a_bounded_number_of_secrets(void **state)
{
    struct signature_keys keys = {0};
    struct err err;

    (void)state;
    for (int i = 0; i < SIGNATURE_KEYS_MAX; i++)
        assert_int_equal(signature_add_secret(&keys, STR(SPEC_SECRET), &err), OK);
    assert_int_equal(signature_add_secret(&keys, STR(SPEC_SECRET), &err), FAILED);
    signature_wipe(&keys);
    assert_int_equal(keys.count, 0);
    assert_int_equal(keys.key[0].bytes[0], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_vectors),
        cmocka_unit_test(refuses_bad_secrets_without_quoting_them),
        cmocka_unit_test(refuses_what_would_make_the_signed_text_ambiguous),
        cmocka_unit_test(makes_new_secrets),
        cmocka_unit_test(shows_the_public_key_of_a_secret),
        cmocka_unit_test(takes_a_bounded_number_of_secrets),
    };

    return cmocka_run_group_tests_name("dispatch/signature", tests, NULL, NULL);
}
