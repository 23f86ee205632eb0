#include "unit.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"

/* stderr goes to a file while `body` runs; what was written is in `line`. */
static char line[32768];

#define CAPTURE(body)                                                                              \
    do {                                                                                           \
        FILE *file_ = tmpfile();                                                                   \
        int saved_ = dup(STDERR_FILENO);                                                           \
        ssize_t got_;                                                                              \
        assert_non_null(file_);                                                                    \
        dup2(fileno(file_), STDERR_FILENO);                                                        \
        body;                                                                                      \
        dup2(saved_, STDERR_FILENO);                                                               \
        close(saved_);                                                                             \
        got_ = pread(fileno(file_), line, sizeof(line) - 1, 0);                                    \
        line[got_ > 0 ? got_ : 0] = '\0';                                                          \
        fclose(file_);                                                                             \
    } while (0)

/* What stands behind the time. */
static const char *after_time(void)
{
    const char *space = strchr(line, ' ');

    return space ? space + 1 : line;
}

static void writes_logfmt(void **state)
{
    struct err err = {"broke: \"x\""};

    (void)state;
    log_setup(LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
    CAPTURE(log_info("stream", "connected", log_s("slot", "pgherald"), log_lsn("from", 0x100000001),
                     log_u("n", 5), log_i("m", -5)));
    assert_string_equal(after_time(), "level=info module=stream msg=connected slot=pgherald "
                                      "from=1/1 n=5 m=-5\n");
    CAPTURE(log_error("x", "two words", log_err(&err), log_s("empty", ""), log_s("null", NULL)));
    assert_string_equal(after_time(), "level=error module=x msg=\"two words\" "
                                      "error=\"broke: \\\"x\\\"\" empty=\"\" null=\"\"\n");
    CAPTURE(log_warn("x", "m", log_s("k", "a\nlevel=error msg=forged")));
    assert_string_equal(after_time(),
                        "level=warn module=x msg=m k=\"a\\nlevel=error msg=forged\"\n");
}

static void writes_json(void **state)
{
    json_t *root;

    (void)state;
    log_setup(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    CAPTURE(log_info("stream", "it \"said\"", log_u("n", UINT64_MAX), log_s("s", "a\tb")));
    root = json_loads(line, JSON_DECODE_INT_AS_REAL, NULL);
    assert_non_null(root);
    assert_string_equal(json_string_value(json_object_get(root, "msg")), "it \"said\"");
    assert_string_equal(json_string_value(json_object_get(root, "s")), "a\tb");
    assert_string_equal(json_string_value(json_object_get(root, "level")), "info");
    json_decref(root);
}

static void leaves_out_lower_levels(void **state)
{
    (void)state;
    log_setup(LOG_LEVEL_WARN, LOG_FORMAT_LOGFMT);
    CAPTURE(log_info("x", "m"));
    assert_string_equal(line, "");
    log_set_level(LOG_LEVEL_DEBUG);
    CAPTURE(log_debug("x", "m"));
    assert_string_equal(after_time(), "level=debug module=x msg=m\n");
}

/* A line of JSON stays JSON and a line stays a line, whatever goes in. */
static void stays_one_line(void **state)
{
    static char huge[20000];
    json_t *root;

    (void)state;
    memset(huge, '\1', sizeof(huge) - 1); /* each byte is six when escaped */
    for (int json = 0; json <= 1; json++) {
        log_setup(LOG_LEVEL_INFO, json ? LOG_FORMAT_JSON : LOG_FORMAT_LOGFMT);
        CAPTURE(log_info(huge, huge));
        CHECK(strchr(line, '\n') == line + strlen(line) - 1, "a huge message");
        CAPTURE(
            log_info("x", "m", log_s("before", "1"), log_s("huge", huge), log_s("behind", "2")));
        CHECK(strchr(line, '\n') == line + strlen(line) - 1, "a huge field");
        CHECK(strstr(line, "behind") && !strstr(line, "huge"), "the field is left out alone");
    }
    root = json_loads(line, 0, NULL);
    CHECK(root != NULL, "it is still JSON");
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_logfmt),
        cmocka_unit_test(writes_json),
        cmocka_unit_test(leaves_out_lower_levels),
        cmocka_unit_test(stays_one_line),
    };

    return cmocka_run_group_tests_name("base/log", tests, NULL, NULL);
}
