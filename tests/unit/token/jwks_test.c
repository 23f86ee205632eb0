#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "signing.h"
#include "token/jwks.h"

/* RFC 7515, A.3 and RFC 8037, A.2 */
#define P256                                                                                       \
    "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","      \
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\""
#define ED25519                                                                                    \
    "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\""
#define OCT "\"kty\":\"oct\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\""

/* One key each. */
static const struct row {
    const char *sentence;
    const char *key;
    enum jwks_origin origin;
    const char *want; /* the usable key, or what is wrong with it */
} rows[] = {
    {"a curve has its algorithm", "{" P256 ",\"kid\":\"a\"}", JWKS_OF_URL, "\"a\" ES256"},
    {"a key may say its algorithm", "{" P256 ",\"alg\":\"ES256\",\"use\":\"sig\"}", JWKS_OF_URL,
     "(no kid) ES256"},
    {"and what it may do", "{" P256 ",\"key_ops\":[\"x\",\"verify\"]}", JWKS_OF_URL,
     "(no kid) ES256"},
    {"a private part is not needed, and does no harm", "{" P256 ",\"d\":\"AAAA\"}", JWKS_OF_URL,
     "(no kid) ES256"},
    {"certificates are not looked at, and never fetched",
     "{" P256 ",\"x5c\":[\"!\"],\"x5u\":\"https://127.0.0.1:1/\",\"x5t\":1}", JWKS_OF_URL,
     "(no kid) ES256"},
    {"Ed25519", "{" ED25519 "}", JWKS_OF_URL, "(no kid) EdDSA"},
    {"a shared secret of a file", "{" OCT ",\"kid\":\"s\"}", JWKS_OF_FILE, "\"s\" HS256"},
    {"a name is shown so that it cannot forge a line", "{" P256 ",\"kid\":\"a\\n\\u001b[1m\\\"\"}",
     JWKS_OF_URL, "\"a\\n\\u001b[1m\\\"\" ES256"},

    {"a shared secret that is in everybody's reach", "{" OCT "}", JWKS_OF_URL,
     "(no kid): a shared secret (oct) is taken from a file only: whoever can fetch it could sign"},
    {"a short secret", "{\"kty\":\"oct\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
     JWKS_OF_FILE, "(no kid): a shared secret of 31 bytes; at least 32 are needed"},
    {"a secret for another algorithm", "{" OCT ",\"alg\":\"HS512\"}", JWKS_OF_FILE,
     "(no kid): its algorithm (alg) is not one that such a key verifies here"},
    {"a key for encryption", "{" P256 ",\"kid\":\"e\",\"use\":\"enc\"}", JWKS_OF_URL,
     "\"e\": not for signatures (use)"},
    {"a use that is no text", "{" P256 ",\"use\":1}", JWKS_OF_URL,
     "(no kid): not for signatures (use)"},
    {"a key that only signs", "{" P256 ",\"key_ops\":[\"sign\"]}", JWKS_OF_URL,
     "(no kid): not for verifying (key_ops)"},
    {"one that may do nothing", "{" P256 ",\"key_ops\":[]}", JWKS_OF_URL,
     "(no kid): not for verifying (key_ops)"},
    {"an algorithm of another kind of key", "{" P256 ",\"alg\":\"RS256\"}", JWKS_OF_URL,
     "(no kid): its algorithm (alg) is not one that such a key verifies here"},
    {"an algorithm of another curve", "{" P256 ",\"alg\":\"ES384\"}", JWKS_OF_URL,
     "(no kid): its algorithm (alg) is not one that such a key verifies here"},
    {"a public key as a shared secret", "{" P256 ",\"alg\":\"HS256\"}", JWKS_OF_URL,
     "(no kid): its algorithm (alg) is not one that such a key verifies here"},
    {"an algorithm that is no text", "{" P256 ",\"alg\":[]}", JWKS_OF_URL,
     "(no kid): its algorithm (alg) is not one that such a key verifies here"},
    {"a curve that is not taken",
     "{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"AA\",\"y\":\"AA\"}", JWKS_OF_URL,
     "(no kid): its curve (crv) is none of P-256, P-384, Ed25519"},
    {"a curve of another kind", "{\"kty\":\"OKP\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}",
     JWKS_OF_URL, "(no kid): its curve (crv) is none of P-256, P-384, Ed25519"},
    {"a key of key agreement", "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"AA\"}", JWKS_OF_URL,
     "(no kid): its curve (crv) is none of P-256, P-384, Ed25519"},
    {"half a coordinate", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"AAAA\"}",
     JWKS_OF_URL, "(no kid): its member x has 3 bytes instead of 32"},
    {"no coordinate", "{\"kty\":\"OKP\",\"crv\":\"Ed25519\"}", JWKS_OF_URL,
     "(no kid): its member x is missing or not base64url"},
    {"a coordinate that is no text", "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":{}}", JWKS_OF_URL,
     "(no kid): its member x is missing or not base64url"},
    {"not base64url", "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"a b\"}", JWKS_OF_URL,
     "(no kid): its member x is missing or not base64url"},
    {"an RSA key of nothing", "{\"kty\":\"RSA\",\"n\":\"AAAA\",\"e\":\"AQAB\"}", JWKS_OF_URL,
     "(no kid): an RSA key of 0 bits; 2048 to 8192 are taken"},
    {"a kind that is not known", "{\"kty\":\"AKP\",\"kid\":\"pq\"}", JWKS_OF_URL,
     "\"pq\": its kind (kty) is none of RSA, EC, OKP, oct"},
    {"no kind", "{}", JWKS_OF_URL, "(no kid): no kty, or not a key at all"},
    {"no object", "\"RSA\"", JWKS_OF_URL, "(no kid): no kty, or not a key at all"},
    {"a name that is no text", "{" P256 ",\"kid\":7}", JWKS_OF_URL,
     "(no kid): its kid is not a text of at most 256 bytes"},
};

/* Beside each stands a key that is good, so that the set is. */
static void reads_keys(void **state)
{
    (void)state;
    for
        EACH(struct row, row, rows)
        {
            struct err err = {0};
            struct jwks *jwks;
            struct buf text, line;

            buf_init(&text, 65536);
            buf_init(&line, 4096);
            buf_addf(&text, "{\"keys\":[%s,{" ED25519 ",\"kid\":\"z\"}]}", row->key);
            if (jwks_read(buf_str(&text), row->origin, &jwks, &err) != OK)
                fail_msg("%s: %s", row->sentence, err.message);
            assert_int_equal(jwks_count(jwks) + jwks_problem_count(jwks), 2);
            if (jwks_problem_count(jwks) > 0)
                buf_add_c(&line, jwks_problem(jwks, 0));
            else
                jwks_write_key(jwks, 0, &line);
            CHECK_STR(buf_str(&line), str_c(row->want), row->sentence);
            jwks_free(jwks);
            buf_fini(&text);
            buf_fini(&line);
        }
}

static void check_rsa(const char *sentence, const char *n, size_t zeros, const char *e,
                      const char *want)
{
    struct jwks *jwks = NULL;
    struct buf text, line, number;
    struct err err = {0};
    uint8_t zero[8] = {0};

    buf_init(&text, 65536);
    buf_init(&line, 4096);
    buf_init(&number, 65536);
    buf_add(&number, zero, zeros);
    buf_add_c(&number, n);
    buf_addf(&text, "{\"keys\":[{\"kty\":\"RSA\",\"e\":\"%s\",\"n\":\"", e);
    base64url_encode(&text, (const uint8_t *)number.data, number.len);
    buf_add_c(&text, "\"}]}");
    if (jwks_read(buf_str(&text), JWKS_OF_URL, &jwks, &err) == OK)
        jwks_write_key(jwks, 0, &line);
    else
        buf_add_c(&line, err.message);
    CHECK(strstr(buf_str(&line).data, want), sentence);
    jwks_free(jwks);
    buf_fini(&text);
    buf_fini(&line);
    buf_fini(&number);
}

/* A number of so many bytes; 0x7f... has one bit less than eight times that. */
static const char *number_of(size_t bytes, char first, char last, char out[2048])
{
    memset(out, 'x', bytes);
    out[0] = first;
    out[bytes - 1] = last;
    out[bytes] = '\0';
    return out;
}

static void bounds_rsa(void **state)
{
    char n[2048];

    (void)state;
    check_rsa("2048 bits", number_of(256, '\x80', 'y', n), 0, "AQAB",
              "(no kid) RS256 RS384 RS512 PS256");
    check_rsa("a zero in front is not a bit", number_of(256, '\x80', 'y', n), 1, "AQAB", "RS256");
    check_rsa("2047 bits", number_of(256, '\x7f', 'y', n), 0, "AQAB", "of 2047 bits");
    check_rsa("2040 bits behind zeros", number_of(255, '\xff', 'y', n), 4, "AQAB", "of 2040 bits");
    check_rsa("8192 bits", number_of(1024, '\xff', 'y', n), 0, "AQAB", "RS256");
    check_rsa("8193 bits take too long", number_of(1025, '\x01', 'y', n), 0, "AQAB",
              "of 8193 bits");
    check_rsa("an even modulus", number_of(256, '\x80', 'x', n), 0, "AQAB", "cannot be right");
    check_rsa("e = 1: everything would be signed", number_of(256, '\x80', 'y', n), 0, "AQ",
              "cannot be right");
    check_rsa("e = 1 behind zeros", number_of(256, '\x80', 'y', n), 0, "AAAB", "cannot be right");
    check_rsa("e = 0", number_of(256, '\x80', 'y', n), 0, "AA", "cannot be right");
    check_rsa("an even e", number_of(256, '\x80', 'y', n), 0, "BA", "cannot be right");
    check_rsa("e = 3", number_of(256, '\x80', 'y', n), 0, "Aw", "RS256");
    check_rsa("an e of nine bytes", number_of(256, '\x80', 'y', n), 0, "AQAAAAAAAAAB",
              "cannot be right");
}

static const struct {
    const char *sentence;
    const char *text;
    const char *message; /* a part of it */
} sets[] = {
    {"nothing", "", "not JSON"},
    {"an error page", "<html>", "not JSON: line 1"},
    {"half a set", "{\"keys\":[{" P256 "}]", "not JSON"},
    {"a set and more", "{\"keys\":[{" P256 "}]}x", "not JSON"},
    {"two sets", "{\"keys\":[{" P256 "}],\"keys\":[]}", "not JSON"},
    {"a bare key", "{" P256 "}", "no key set"},
    {"keys that are no array", "{\"keys\":{" P256 "}}", "no key set"},
    {"a bare array", "[{" P256 "}]", "no key set"},
    {"null", "null", "not JSON"},
    {"a set without keys", "{\"keys\":[]}", "a set without keys"},
    {"none that can be used", "{\"keys\":[{" OCT "},{}]}",
     "no key of the set can be used; the first is (no kid): a shared secret (oct)"},
    {"bytes that are not UTF-8", "{\"keys\":[{" P256 ",\"kid\":\"\xff\"}]}", "not JSON"},
    {"a NUL in a name", "{\"keys\":[{" P256 ",\"kid\":\"a\\u0000b\"}]}", "not JSON"},
};

static void refuses_sets(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(sets); i++) {
        struct err err = {0};
        struct jwks *jwks;

        CHECK(jwks_read(str_c(sets[i].text), JWKS_OF_URL, &jwks, &err) == FAILED, sets[i].sentence);
        CHECK(jwks == NULL, sets[i].sentence);
        if (!strstr(err.message, sets[i].message))
            fail_msg("%s: %s", sets[i].sentence, err.message);
    }
}

static enum result read_many(size_t count, size_t blanks, struct err *err)
{
    struct jwks *jwks;
    struct buf text;
    enum result result;

    buf_init(&text, 1 << 20);
    buf_add_c(&text, "{\"keys\":[");
    for (size_t i = 0; i < count; i++)
        buf_addf(&text, "%s{" ED25519 "}", i ? "," : "");
    buf_add_c(&text, "]}");
    while (text.len < blanks)
        buf_add_char(&text, ' ');
    result = jwks_read(buf_str(&text), JWKS_OF_URL, &jwks, err);
    jwks_free(jwks);
    buf_fini(&text);
    return result;
}

static void bounds_sets(void **state)
{
    struct err err;

    (void)state;
    assert_int_equal(read_many(JWKS_MAX_KEYS, 0, &err), OK);
    assert_int_equal(read_many(JWKS_MAX_KEYS + 1, 0, &err), FAILED);
    assert_string_equal(err.message, "a set of 65 keys; at most 64 are taken");
    assert_int_equal(read_many(1, JWKS_MAX_BYTES, &err), OK);
    assert_int_equal(read_many(1, JWKS_MAX_BYTES + 1, &err), FAILED);
}

static void compares_sets(void **state)
{
    static const struct {
        const char *sentence;
        const char *other;
        bool same;
    } others[] = {
        {"written differently", "{ \"keys\": [{\"kid\":\"a\", " P256 ",\"use\":\"sig\"}]}", true},
        {"another name", "{\"keys\":[{" P256 ",\"kid\":\"b\"}]}", false},
        {"no name", "{\"keys\":[{" P256 "}]}", false},
        {"another key under the same name",
         "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"a\",\"x\":"
         "\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\",\"y\":"
         "\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}]}",
         false},
        {"another kind of key", "{\"keys\":[{" ED25519 ",\"kid\":\"a\"}]}", false},
        {"one more", "{\"keys\":[{" P256 ",\"kid\":\"a\"},{" ED25519 "}]}", false},
        {"one that cannot be used more", "{\"keys\":[{" P256 ",\"kid\":\"a\"},{}]}", true},
    };
    struct jwks *one, *other;
    struct err err;

    (void)state;
    assert_int_equal(
        jwks_read(STR("{\"keys\":[{" P256 ",\"kid\":\"a\"}]}"), JWKS_OF_URL, &one, &err), OK);
    for (size_t i = 0; i < COUNT(others); i++) {
        assert_int_equal(jwks_read(str_c(others[i].other), JWKS_OF_URL, &other, &err), OK);
        CHECK(jwks_same(one, other) == others[i].same, others[i].sentence);
        jwks_free(other);
    }
    jwks_free(one);
}

static void reads_files(void **state)
{
    char folder[] = "/tmp/pgherald-jwks-XXXXXX", path[128];
    struct err err = {0};
    struct jwks *jwks;
    int fd;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/jwks.json", folder);
    assert_int_equal(jwks_read_file(path, &jwks, &err), FAILED);
    assert_non_null(strstr(err.message, "No such file"));
    assert_int_equal(jwks_read_file(folder, &jwks, &err), FAILED);
    assert_non_null(strstr(err.message, "not a regular file"));
    assert_int_equal(mkfifo(path, 0600), 0); /* nobody will ever write to it */
    assert_int_equal(jwks_read_file(path, &jwks, &err), FAILED);
    assert_int_equal(unlink(path), 0);
    fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_int_equal(write(fd, "{\"keys\":[]}", 11), 11);
    assert_int_equal(jwks_read_file(path, &jwks, &err), FAILED);
    assert_non_null(strstr(err.message, path));
    assert_int_equal(pwrite(fd, "{\"keys\":[{" OCT "}]}", sizeof("{\"keys\":[{" OCT "}]}") - 1, 0),
                     sizeof("{\"keys\":[{" OCT "}]}") - 1);
    assert_int_equal(jwks_read_file(path, &jwks, &err), OK);
    assert_int_equal(jwks_count(jwks), 1);
    jwks_free(jwks);
    assert_int_equal(ftruncate(fd, JWKS_MAX_BYTES + 1), 0);
    assert_int_equal(jwks_read_file(path, &jwks, &err), FAILED);
    close(fd);
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_keys),    cmocka_unit_test(bounds_rsa),
        cmocka_unit_test(refuses_sets),  cmocka_unit_test(bounds_sets),
        cmocka_unit_test(compares_sets), cmocka_unit_test(reads_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
