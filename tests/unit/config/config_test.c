#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/json.h"
#include "config/config.h"
#include "config/option.h"

static char path[] = "/tmp/pgherald-config-test-XXXXXX";
static char secret_path[] = "/tmp/pgherald-secret-test-XXXXXX";

static void write_file(const char *name, const char *text, size_t len)
{
    FILE *file = fopen(name, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    fclose(file);
}

/* Loads a file with that text. */
static enum result load(const char *text, struct config **config, struct err *err)
{
    write_file(path, text, strlen(text));
    return config_load(path, config, err);
}

static int make_files(void **state)
{
    (void)state;
    close(mkstemp(path));
    close(mkstemp(secret_path));
    return 0;
}

static int drop_files(void **state)
{
    (void)state;
    unlink(path);
    unlink(secret_path);
    return 0;
}

static void has_defaults(void **state)
{
    struct config *c;
    struct err err = {""};

    (void)state;
    if (config_load(NULL, &c, &err) != OK)
        fail_msg("%s", err.message);
    assert_string_equal(c->database_url, "");
    assert_string_equal(c->slot_name, "pgherald");
    assert_string_equal(c->publication, "pgherald");
    assert_int_equal(c->schemas.count, 1);
    assert_string_equal(c->schemas.items[0], "public");
    assert_string_equal(c->listen.host, "127.0.0.1");
    assert_int_equal(c->listen.port, 4000);
    assert_int_equal(c->admin_listen.port, 4001);
    assert_string_equal(c->jwt_secret, "");
    assert_int_equal(c->log_level, LOG_LEVEL_INFO);
    assert_int_equal(c->log_format, LOG_FORMAT_LOGFMT);
    assert_true(c->audit);
    assert_int_equal(c->audit_redact.count, 12);
    assert_int_equal(c->batch_max_changes, 10000);
    assert_int_equal(c->batch_max_wait_ms, 20);
    assert_int_equal(c->store_buffer_bytes, 4 << 20);
    assert_int_equal(c->feedback_interval_ms, 10000);
    assert_int_equal(c->shutdown_timeout_ms, 10000);
    assert_int_equal(c->realtime_queue_bytes, 64 << 20);
    assert_int_equal(c->realtime_max_clients, 10000);
    assert_int_equal(c->realtime_max_channels, 100);
    assert_int_equal(c->realtime_client_buffer_bytes, 8 << 20);
    assert_int_equal(c->realtime_max_frame_bytes, 5000000);
    assert_int_equal(c->realtime_idle_timeout_ms, 60000);
    assert_false(c->webhook_allow_private);
    assert_int_equal(c->webhook_concurrency, 64);
    assert_int_equal(c->webhook_endpoint_concurrency, 8);
    assert_int_equal(c->webhook_response_bytes, 20000);
    assert_int_equal(c->webhook_allow.count + c->webhook_only.count, 0);
    assert_string_equal(c->webhook_ca_file, "");
    assert_string_equal(c->webhook_client_cert_file, "");
    config_free(c);
    config_free(NULL);
}

static void reads_every_kind(void **state)
{
    /* one line of a file, and what `pgherald config` prints of it */
    static const struct row {
        const char *says, *line, *effective;
    } rows[] = {
        {"text", "publication = my_pub", "publication = my_pub"},
        {"text with an equals sign and a hash", "publication=a = b # c", "publication = a = b # c"},
        {"white space and CR around", "  publication\t=  x \r", "publication = x"},
        {"a word", "log_level = debug", "log_level = debug"},
        {"on", "webhook_allow_private = ON", "webhook_allow_private = on"},
        {"yes", "webhook_allow_private = yes", "webhook_allow_private = on"},
        {"0", "audit = 0", "audit = off"},
        {"a whole number", "batch_max_changes = 7", "batch_max_changes = 7"},
        {"the largest", "batch_max_changes = 1000000", "batch_max_changes = 1000000"},
        {"bytes", "store_buffer = 65536", "store_buffer = 64k"},
        {"kilobytes", "store_buffer = 100k", "store_buffer = 100k"},
        {"megabytes with a space", "store_buffer = 8 M", "store_buffer = 8M"},
        {"gigabytes", "realtime_queue = 2G", "realtime_queue = 2G"},
        {"1024 of one is one of the next", "store_buffer = 1024k", "store_buffer = 1M"},
        {"milliseconds", "batch_max_wait = 250ms", "batch_max_wait = 250ms"},
        {"seconds", "batch_max_wait = 2s", "batch_max_wait = 2s"},
        {"minutes", "shutdown_timeout = 5min", "shutdown_timeout = 5min"},
        {"hours", "shutdown_timeout = 1 h", "shutdown_timeout = 1h"},
        {"zero needs no unit", "batch_max_wait = 0", "batch_max_wait = 0ms"},
        {"a list", "schemas = public, app ,,crm,", "schemas = public,app,crm"},
        {"an empty list", "audit_redact =", "audit_redact = "},
        {"an address", "listen = 0.0.0.0:80", "listen = 0.0.0.0:80"},
        {"a name", "listen = db.example.com:80", "listen = db.example.com:80"},
        {"IPv6", "listen = [::1]:4000", "listen = [::1]:4000"},
        {"every address", "listen = *:4000", "listen = :4000"},
        {"every address by nothing", "listen = :4000", "listen = :4000"},
        {"comments and empty lines", "# x\n\n; y\n  # z", "audit = on"},
        {"a byte order mark",
         "\xef\xbb\xbf"
         "audit = off",
         "audit = off"},
        {"a secret is not shown", "jwt_secret = 0123456789abcdef0123456789abcdef",
         "jwt_secret = (set)"},
        {"one that is not set", "", "jwt_secret = "},
        {"a URL", "jwt_jwks_url = https://a.example/jwks.json?v=1",
         "jwt_jwks_url = https://a.example/jwks.json?v=1"},
        {"a URL of this host", "jwt_jwks_url = http://127.0.0.1:80/x",
         "jwt_jwks_url = http://127.0.0.1:80/x"},
        {"by its name", "jwt_jwks_url = http://localhost/", "jwt_jwks_url = http://localhost/"},
        {"by its other name", "jwt_jwks_url = http://[::1]:80", "jwt_jwks_url = http://[::1]:80"},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            struct err err = {""};
            struct config *config;
            struct buf out;
            char wanted[256];

            if (load(r->line, &config, &err) != OK)
                fail_msg("%s: %s", r->says, err.message);
            buf_init(&out, 100000);
            buf_add_char(&out, '\n');
            config_write_effective(config, &out);
            snprintf(wanted, sizeof(wanted), "\n%s\n", r->effective);
            if (!strstr(out.data, wanted))
                fail_msg("%s: \"%s\" is not in:%s", r->says, r->effective, out.data);
            CHECK(!strstr(out.data, "0123456789abcdef"), "secrets never appear");
            buf_fini(&out);
            config_free(config);
        }
}

static void refuses(void **state)
{
    static const struct row {
        const char *says, *text, *error;
    } rows[] = {
        {"an unknown key", "\nslotname = x",
         ", line 2: unknown key \"slotname\"; allowed: database_url"},
        {"a key twice", "audit = on\n\naudit = off",
         ", line 3: audit is given twice; the first is in line 1"},
        {"no equals sign", "audit on", ", line 1: a line is key = value"},
        {"a section", "[pgherald]", "there are no sections"},
        {"another word", "log_level = verbose",
         "log_level: \"verbose\" is not allowed: one of debug, info, warn, error"},
        {"neither on nor off", "audit = maybe", "\"maybe\" is not allowed: on or off"},
        {"no number", "batch_max_changes = many", "a whole number, from 1 to 1000000"},
        {"a number too small", "batch_max_changes = 0", "from 1 to 1000000"},
        {"a number too large", "batch_max_changes = 1000001", "from 1 to 1000000"},
        {"a number with a unit", "batch_max_changes = 1k", "a whole number"},
        {"a negative number", "batch_max_changes = -1", "a whole number"},
        {"an unknown unit of bytes", "store_buffer = 4MB", "k, M or G behind it, from 64k to 1G"},
        {"too many bytes for any type", "store_buffer = 99999999999999999999G", "from 64k to 1G"},
        {"a product that overflows", "store_buffer = 17179869185G", "from 64k to 1G"},
        {"a duration without a unit", "feedback_interval = 10", "ms, s, min or h behind it"},
        {"a month", "feedback_interval = 1m", "ms, s, min or h behind it"},
        {"a duration too short", "feedback_interval = 99ms", "from 100ms to 10min"},
        {"no port", "listen = localhost", "host:port, IPv6 in brackets"},
        {"port 0", "listen = localhost:0", "host:port"},
        {"port 65536", "listen = localhost:65536", "host:port"},
        {"a port that is no number", "listen = localhost:http", "host:port"},
        {"IPv6 without brackets", "listen = ::1:4000", "IPv6 in brackets"},
        {"empty brackets", "listen = []:4000", "host:port"},
        {"the same address twice", "listen = 127.0.0.1:4001", "admin_listen: the same address"},
        {"a slot in capitals", "\nslot_name = My-Slot",
         ", line 2: slot_name: \"My-Slot\" is not allowed: 1 to 63"},
        {"a slot without a name", "slot_name =", "1 to 63 of the characters a-z 0-9 _"},
        {"a slot with a long name",
         "slot_name = a123456789012345678901234567890123456789012345678901234567890123",
         "1 to 63 of the characters"},
        {"a publication without a name", "publication =", "a name of 1 to 55 bytes"},
        {"no schema", "schemas = ,", "names of schemas are needed"},
        {"half of a client certificate", "webhook_client_key_file = /etc/key.pem",
         "webhook_client_key_file: webhook_client_cert_file and webhook_client_key_file are set"},
        {"keys from anywhere without TLS", "jwt_jwks_url = http://keys.example/jwks.json",
         ", line 1: jwt_jwks_url: https://host/path is wanted"},
        {"a host that only begins as this one", "jwt_jwks_url = http://localhost.example/",
         "jwt_jwks_url: https://host/path is wanted"},
        {"this host as a name in front of another", "jwt_jwks_url = http://localhost@keys.example/",
         "jwt_jwks_url: https://host/path is wanted"},
        {"another one behind a port", "jwt_jwks_url = http://127.0.0.1:80@keys.example/",
         "jwt_jwks_url: https://host/path is wanted"},
        {"what two parsers read differently", "jwt_jwks_url = http://localhost\\.keys.example/",
         "jwt_jwks_url: https://host/path is wanted"},
        {"a password in a URL", "jwt_jwks_url = https://me:secret@keys.example/",
         "jwt_jwks_url: https://host/path is wanted"},
        {"another scheme", "jwt_jwks_url = file:///etc/passwd",
         "jwt_jwks_url: https://host/path is wanted"},
        {"no host", "jwt_jwks_url = https:///jwks.json",
         "jwt_jwks_url: https://host/path is wanted"},
        {"a blank in a URL", "jwt_jwks_url = https://keys.example/a b",
         "jwt_jwks_url: https://host/path is wanted"},
        {"a short secret", "jwt_secret = topsecret", "the secret has 9 bytes; at least 32"},
        {"a secret's file that is not there", "jwt_secret_file = /nonexistent/key",
         "cannot open /nonexistent/key"},
        {"a file for what is no secret", "slot_name_file = /etc/hostname",
         "unknown key \"slot_name_file\""},
        {"a secret that goes on in the next line",
         "encryption_keys = k2:0123456789abcdef0123456789abcdef,\nk1:0123456789abcdef=\n",
         ", line 2: what stands before = is no key; allowed: database_url"},
        {"a line that is nothing but a secret",
         "0123456789abcdef0123456789abcdef0123456789abcdef = x", "before = is no key"},
        {"a secret and its file",
         "jwt_secret = 0123456789abcdef0123456789abcdef\njwt_secret_file = /x",
         ", line 2: jwt_secret_file is given twice"},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            struct err err = {""};
            struct config *config;

            CHECK(load(r->text, &config, &err) == FAILED, r->says);
            CHECK(config == NULL, r->says);
            if (!strstr(err.message, r->error))
                fail_msg("%s: the message is \"%s\"", r->says, err.message);
            CHECK(!strstr(err.message, "topsecret") && !strstr(err.message, "0123456789abcdef"),
                  "secrets never appear");
            CHECK(!strchr(r->text, '\n') || strstr(err.message, path), "the file is named");
        }
}

static void refuses_files(void **state)
{
    static char huge[1024 * 1024 + 10];
    struct err err = {""};
    struct config *config;

    (void)state;
    CHECK(config_load("/nonexistent.conf", &config, &err) == FAILED, "no such file");
    assert_non_null(strstr(err.message, "/nonexistent.conf"));
    CHECK(config_load("/tmp", &config, &err) == FAILED, "a folder");
    memset(huge, '\n', sizeof(huge));
    write_file(path, huge, sizeof(huge));
    CHECK(config_load(path, &config, &err) == FAILED, "a file without end");
    assert_non_null(strstr(err.message, "longer than"));
    write_file(path, "audit = on\0x", 12);
    CHECK(config_load(path, &config, &err) == FAILED, "a NUL byte");
    assert_non_null(strstr(err.message, "NUL"));
}

static void reads_secrets_from_files(void **state)
{
    struct err err = {""};
    struct config *config;
    char text[256];

    (void)state;
    write_file(secret_path, "fedcba9876543210fedcba9876543210\n", 33);
    snprintf(text, sizeof(text), "jwt_secret_file = %s", secret_path);
    if (load(text, &config, &err) != OK)
        fail_msg("%s", err.message);
    assert_string_equal(config->jwt_secret, "fedcba9876543210fedcba9876543210");
    config_free(config);

    setenv("PGHERALD_DATABASE_URL_FILE", secret_path, 1);
    assert_int_equal(load("database_url = postgresql://file", &config, &err), OK);
    CHECK_STR(str_c(config->database_url), STR("fedcba9876543210fedcba9876543210"),
              "the environment's file is above the file's value");
    config_free(config);
    setenv("PGHERALD_DATABASE_URL", "postgresql://env", 1);
    CHECK(load("", &config, &err) == FAILED, "both in the environment");
    assert_non_null(strstr(err.message, "PGHERALD_DATABASE_URL_FILE"));
    unsetenv("PGHERALD_DATABASE_URL");
    unsetenv("PGHERALD_DATABASE_URL_FILE");
}

static void environment_overrides(void **state)
{
    struct err err = {""};
    struct config *config;

    (void)state;
    setenv("PGHERALD_SLOT_NAME", "from_env", 1);
    setenv("PGHERALD_BATCH_MAX_WAIT", "1s", 1);
    setenv("PGHERALD_PORT", "tcp://10.0.0.1:80", 1);
    if (load("slot_name = from_file\nbatch_max_wait = 7ms", &config, &err) != OK)
        fail_msg("%s", err.message);
    assert_string_equal(config->slot_name, "from_env");
    assert_int_equal(config->batch_max_wait_ms, 1000);
    config_free(config);
    setenv("PGHERALD_BATCH_MAX_WAIT", "soon", 1);
    CHECK(load("", &config, &err) == FAILED, "a bad value");
    assert_non_null(strstr(err.message, "environment variable PGHERALD_BATCH_MAX_WAIT"));
    unsetenv("PGHERALD_BATCH_MAX_WAIT");
    setenv("PGHERALD_SLOT_NAME", "No", 1);
    CHECK(load("slot_name = good", &config, &err) == FAILED, "a value that a check refuses");
    assert_non_null(strstr(err.message, "environment variable PGHERALD_SLOT_NAME"));
    unsetenv("PGHERALD_SLOT_NAME");
    unsetenv("PGHERALD_PORT");
}

static void knows_what_needs_a_restart(void **state)
{
    struct config *running, *same, *fresh;
    struct buf keys;
    struct err err;

    (void)state;
    buf_init(&keys, 1000);
    assert_int_equal(load("", &running, &err), OK);
    assert_int_equal(load("log_level = debug", &same, &err), OK);
    assert_int_equal(
        load("slot_name = x\nschemas = a,b\nlisten = :1\nstore_buffer = 1M\naudit = off"
             "\nlog_format = json",
             &fresh, &err),
        OK);
    CHECK(!config_needs_restart(running, same, &keys), "the log level can be changed at run time");
    CHECK(config_needs_restart(running, fresh, &keys), "the others cannot");
    assert_string_equal(buf_str(&keys).data,
                        "slot_name,schemas,listen,log_format,audit,store_buffer");
    buf_fini(&keys);
    config_free(running);
    config_free(same);
    config_free(fresh);
}

static void check_changes(const char *before, const char *after, bool reloadable,
                          const char *wanted, const char *says)
{
    struct config *a, *b;
    struct buf out;
    struct err err;

    assert_int_equal(load(before, &a, &err), OK);
    assert_int_equal(load(after, &b, &err), OK);
    buf_init(&out, 100000);
    config_write_changes(a, b, reloadable, &out);
    if (!str_eq(buf_str(&out), str_c(wanted)))
        fail_msg("%s: wanted %s, got %s", says, wanted, buf_str(&out).data);
    buf_fini(&out);
    config_free(a);
    config_free(b);
}

#define SECRET_A "jwt_secret = aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SECRET_B "jwt_secret = bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

/* For the audit trail: whoever reads it learns what was changed, and no secret. */
static void changes_are_told(void **state)
{
    (void)state;
    check_changes("audit = on", "audit = on", false, "{}", "nothing changed");
    check_changes("log_level = info", "log_level = debug", true,
                  "{\"log_level\":[\"info\",\"debug\"]}", "what is applied at once");
    check_changes("log_level = info", "log_level = debug", false, "{}", "is not among the rest");
    check_changes("jobs_poll = 10s\nschemas = a", "jobs_poll = 2s\nschemas = a,b", false,
                  "{\"schemas\":[\"a\",\"a,b\"],\"jobs_poll\":[\"10s\",\"2s\"]}",
                  "what waits for a restart");
    check_changes("publication = p", "publication = a\"\\b", false,
                  "{\"publication\":[\"p\",\"a\\\"\\\\b\"]}", "as JSON");
    check_changes(SECRET_A, SECRET_B, false, "{\"jwt_secret\":\"changed\"}", "not its values");
    check_changes(SECRET_A, "", false, "{\"jwt_secret\":\"changed\"}", "nor that it is gone");
}

static void settings_are_json_without_secrets(void **state)
{
    struct config *config;
    struct buf out;
    struct err err;
    struct str key, value;
    struct json_cursor members;
    size_t count = 0;

    (void)state;
    assert_int_equal(load(SECRET_A "\nlisten = [::1]:80", &config, &err), OK);
    buf_init(&out, 100000);
    config_write_json(config, &out);
    CHECK(json_is_jsonb(buf_str(&out)), "it is an object");
    CHECK(strstr(buf_str(&out).data, "\"jwt_secret\":\"(set)\""), "that a secret is set");
    CHECK(!strstr(buf_str(&out).data, "aaaa"), "and not which");
    CHECK(strstr(buf_str(&out).data, "\"listen\":\"[::1]:80\""), "a value as in a file");
    for (members = json_enter(buf_str(&out)); json_next(&members, &key, &value);)
        count++;
    assert_int_equal(count, option_count);
    buf_fini(&out);
    config_free(config);
}

/* The sample file of the project is what the table makes, and means the defaults. */
static void the_sample_is_true(void **state)
{
    struct buf sample, content, uncommented;
    struct config *config;
    struct str rest, line;
    struct err err = {""};
    bool more = true;
    int fd = open("conf/pgherald.conf", O_RDONLY);
    ssize_t got;

    (void)state;
    buf_init(&sample, 1000000);
    buf_init(&content, 1000000);
    buf_init(&uncommented, 1000000);
    config_write_sample(&sample);
    CHECK(fd >= 0, "conf/pgherald.conf can be opened from here");
    while (buf_reserve(&content, 65536) && (got = read(fd, content.data + content.len, 65536)) > 0)
        content.len += (size_t)got;
    close(fd);
    if (!str_eq(buf_str(&sample), buf_str(&content)))
        fail_msg("conf/pgherald.conf is not what the option table makes; "
                 "build/pgherald config --sample > conf/pgherald.conf");
    for (rest = buf_str(&sample); more;) { /* every setting, no longer commented out */
        more = str_split(rest, '\n', &line, &rest);
        if (line.len > 1 && line.data[0] == '#' && line.data[1] != ' ')
            buf_addf(&uncommented, "%.*s\n", (int)line.len - 1, line.data + 1);
    }
    if (load(uncommented.data, &config, &err) != OK)
        fail_msg("%s", err.message);
    config_free(config);
    buf_clear(&content);
    config_write_help(&content);
    CHECK(strstr(content.data, "webhook_allow_private = off"), "--help has every key");
    buf_fini(&sample);
    buf_fini(&content);
    buf_fini(&uncommented);
}

/* docs/configuration.md has a row for every key, with its default. */
static void the_manual_is_complete(void **state)
{
    struct buf manual;
    FILE *file = fopen("docs/configuration.md", "r");
    char row[512], piece[4096];
    size_t got;

    (void)state;
    assert_non_null(file);
    buf_init(&manual, 1000000);
    while ((got = fread(piece, 1, sizeof(piece), file)) > 0)
        buf_add(&manual, piece, got);
    fclose(file);
    for (size_t i = 0; i < option_count; i++) {
        if (options[i].kind == OPTION_LIST && strlen(options[i].standard) > 40)
            snprintf(row, sizeof(row), "| `%s` | ", options[i].name); /* told in words */
        else if (options[i].standard[0])
            snprintf(row, sizeof(row), "| `%s` | `%s` | ", options[i].name, options[i].standard);
        else
            snprintf(row, sizeof(row), "| `%s` | | ", options[i].name);
        if (!strstr(manual.data, row))
            fail_msg("docs/configuration.md lacks the row: %s", row);
    }
    buf_fini(&manual);
}

static void writes_addresses(void **state)
{
    struct config_address v4 = {(char[]){"10.0.0.1"}, 80}, v6 = {(char[]){"fe80::1"}, 80};
    char out[128];

    (void)state;
    assert_string_equal(config_address_text(&v4, out), "10.0.0.1:80");
    assert_string_equal(config_address_text(&v6, out), "[fe80::1]:80");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_defaults),
        cmocka_unit_test(reads_every_kind),
        cmocka_unit_test(refuses),
        cmocka_unit_test(refuses_files),
        cmocka_unit_test(reads_secrets_from_files),
        cmocka_unit_test(environment_overrides),
        cmocka_unit_test(knows_what_needs_a_restart),
        cmocka_unit_test(changes_are_told),
        cmocka_unit_test(settings_are_json_without_secrets),
        cmocka_unit_test(the_sample_is_true),
        cmocka_unit_test(the_manual_is_complete),
        cmocka_unit_test(writes_addresses),
    };

    return cmocka_run_group_tests_name("config/config", tests, make_files, drop_files);
}
