/* JSON text. What json_is_jsonb() takes, another reader takes too, and the other way round; text
 * that goes into a string literal comes out of it as it was; the elements of what is valid are
 * valid, and as many as another reader finds. */
#include "fuzz.h"

#include "base/json.h" /* before jansson.h, which has a macro of the same name as one of its functions */

#include <jansson.h>

#define MAX_OUT ((size_t)64 << 20)

static bool jansson_takes(struct str text, enum json_error_code *code)
{
    json_error_t why = {0};
    json_t *root = json_loadb(text.data, text.len, JSON_DECODE_ANY, &why);

    *code = root ? json_error_unknown : json_error_code(&why);
    json_decref(root);
    return root != NULL;
}

/* Where the two may differ: numbers that numeric does not hold, nesting, and a NUL, behind which
 * jansson looks at nothing. */
static bool is_modest(struct str text)
{
    size_t opened = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == 'e' || text.data[i] == 'E' || text.data[i] == '\0')
            return false;
        opened += text.data[i] == '[' || text.data[i] == '{';
    }
    return opened < 200 && text.len < 10000;
}

static void compare(struct str text)
{
    bool ours = json_is_jsonb(text);
    enum json_error_code code;
    bool theirs = jansson_takes(text, &code);

    if (ours && !theirs) /* they check UTF-8, and their numbers are 64 bits wide */
        REQUIRE(code == json_error_invalid_utf8 || code == json_error_numeric_overflow, text);
    if (theirs && is_modest(text))
        REQUIRE(ours, text);
}

static void go_over(struct str text)
{
    struct json_cursor cursor = json_enter(text);
    struct str key, value;
    size_t count = 0;
    json_t *root;

    while (json_next(&cursor, &key, &value)) {
        REQUIRE(json_is_valid(value), text);
        REQUIRE(value.data >= text.data && value.data + value.len <= text.data + text.len, text);
        count++;
    }
    root = json_loadb(text.data, text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    if (root)
        REQUIRE(count >= json_array_size(root) + json_object_size(root), text);
    if (json_is_array(root))
        REQUIRE(count == json_array_size(root), text);
    json_decref(root);
}

static void round_trip(struct str text)
{
    struct buf literal, back;
    struct str inside;

    if (text.len > 0 && memchr(text.data, '\0', text.len))
        return;
    buf_init(&literal, MAX_OUT);
    buf_init(&back, MAX_OUT);
    json_add_string(&literal, text);
    REQUIRE(json_string_end(literal.data, literal.data + literal.len) == literal.data + literal.len,
            text);
    REQUIRE(json_is_jsonb(buf_str(&literal)), text);
    inside = str_from(literal.data + 1, literal.len - 2);
    REQUIRE(json_unescape(&back, inside), text);
    REQUIRE(str_eq(buf_str(&back), text), text);
    buf_fini(&back);
    buf_fini(&literal);
}

/* The text as the inside of a literal: if its escapes can be undone, it got no longer. */
static void unescape(struct str text)
{
    struct buf out;

    buf_init(&out, MAX_OUT);
    if (json_unescape(&out, text)) {
        REQUIRE(out.len <= text.len, text);
        round_trip(buf_str(&out));
    }
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = input_text(data, size);

    compare(text);
    if (json_is_valid(text))
        go_over(text);
    else
        REQUIRE(!json_is_jsonb(text) || !str_is_utf8(text), text);
    round_trip(text);
    unescape(text);
    if ((json_is_number)(text)) /* not the macro */
        REQUIRE(json_is_jsonb(text) || !is_modest(text), text);
    return 0;
}
