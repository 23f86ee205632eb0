#include "config/option.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct unit {
    const char *name;
    uint64_t factor;
};

/* From the smallest; the first is what a bare number means where that is allowed. */
static const struct unit size_units[] = {{"", 1}, {"k", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}};
static const struct unit duration_units[] = {
    {"ms", 1}, {"s", 1000}, {"min", 60 * 1000}, {"h", 3600 * 1000}};
#define UNITS 4

static void *target(const struct option *option, struct config *config)
{
    return (char *)config + option->target;
}

static const void *target_const(const struct option *option, const struct config *config)
{
    return (const char *)config + option->target;
}

static const struct unit *units_of(const struct option *option)
{
    return option->kind == OPTION_DURATION ? duration_units : size_units;
}

/* ---------------------------------------------------------------- reading */

static enum result refuse(const struct option *option, struct str text, struct err *err)
{
    struct buf allowed;

    buf_init(&allowed, 512);
    option_describe(option, &allowed);
    if (option->kind == OPTION_SECRET)
        err_set(err, "the value is not allowed: %s", buf_str(&allowed).data);
    else
        err_set(err, "\"%.*s\" is not allowed: %s", text.len > 100 ? 100 : (int)text.len, text.data,
                buf_str(&allowed).data);
    buf_fini(&allowed);
    return FAILED;
}

/* Digits with one of the units behind them, white space allowed between. */
static bool parse_quantity(const struct option *option, struct str text, uint64_t *out)
{
    const struct unit *units = units_of(option);
    size_t count = option->kind == OPTION_NUMBER ? 1 : UNITS;
    struct str number = text, unit;
    uint64_t value;

    number.len = 0;
    while (number.len < text.len && text.data[number.len] >= '0' && text.data[number.len] <= '9')
        number.len++;
    unit = str_trim(str_from(text.data + number.len, text.len - number.len));
    if (!str_to_u64(number, &value))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!(value == 0 && unit.len == 0) && !str_eq(unit, str_c(units[i].name)))
            continue;
        return !__builtin_mul_overflow(value, units[i].factor, out) && *out >= option->min &&
               *out <= option->max;
    }
    return false;
}

static bool parse_bool(struct str text, bool *out)
{
    static const struct {
        struct str word;
        bool value;
    } words[] = {{STR("on"), true},   {STR("true"), true},   {STR("yes"), true}, {STR("1"), true},
                 {STR("off"), false}, {STR("false"), false}, {STR("no"), false}, {STR("0"), false}};

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (str_eq_nocase(text, words[i].word)) {
            *out = words[i].value;
            return true;
        }
    }
    return false;
}

static bool parse_word(const struct option *option, struct str text, unsigned *out)
{
    for (unsigned i = 0; option->words[i]; i++) {
        if (str_eq(text, str_c(option->words[i]))) {
            *out = i;
            return true;
        }
    }
    return false;
}

static void list_free(struct config_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct config_list){0};
}

static void parse_list(struct str text, struct config_list *out)
{
    struct str item;
    bool more = true;

    *out = (struct config_list){0};
    while (more) {
        more = str_split(text, ',', &item, &text);
        item = str_trim(item);
        if (item.len == 0)
            continue;
        out->items = mem_grow(out->items, out->count + 1, sizeof(*out->items));
        out->items[out->count++] = str_dup(item);
    }
}

/* host:port, [IPv6]:port; an empty host or a star is every address. */
static bool parse_address(struct str text, struct str *host, unsigned *port)
{
    size_t after_colon = text.len;
    uint64_t number;

    while (after_colon > 0 && text.data[after_colon - 1] != ':')
        after_colon--;
    if (after_colon == 0)
        return false;
    *host = str_from(text.data, after_colon - 1);
    if (!str_to_u64(str_from(text.data + after_colon, text.len - after_colon), &number) ||
        number < 1 || number > 65535)
        return false;
    *port = (unsigned)number;
    if (host->len >= 2 && host->data[0] == '[' && host->data[host->len - 1] == ']') {
        *host = str_from(host->data + 1, host->len - 2);
        return host->len > 0;
    }
    if (str_eq(*host, STR("*")))
        host->len = 0;
    return host->len == 0 || !memchr(host->data, ':', host->len);
}

static void set_text(char **place, struct str text)
{
    free(*place);
    *place = str_dup(text);
}

/* What the next owner of the memory must not find there. */
static void free_secret(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

static void set_secret(char **place, struct str text)
{
    free_secret(*place);
    *place = str_dup(text);
}

enum result option_set(const struct option *option, struct config *config, struct str text,
                       struct err *err)
{
    void *place = target(option, config);
    struct config_address *address = place;
    uint64_t quantity;
    struct str host;
    unsigned port;

    switch (option->kind) {
    case OPTION_TEXT:
        set_text(place, text);
        return OK;
    case OPTION_SECRET:
        set_secret(place, text);
        return OK;
    case OPTION_WORD:
        return parse_word(option, text, place) ? OK : refuse(option, text, err);
    case OPTION_BOOL:
        return parse_bool(text, place) ? OK : refuse(option, text, err);
    case OPTION_NUMBER:
    case OPTION_DURATION:
        if (!parse_quantity(option, text, &quantity))
            return refuse(option, text, err);
        *(unsigned *)place = (unsigned)quantity;
        return OK;
    case OPTION_SIZE:
        if (!parse_quantity(option, text, &quantity))
            return refuse(option, text, err);
        *(size_t *)place = (size_t)quantity;
        return OK;
    case OPTION_LIST:
        list_free(place);
        parse_list(text, place);
        return OK;
    case OPTION_ADDRESS:
        if (!parse_address(text, &host, &port))
            return refuse(option, text, err);
        set_text(&address->host, host);
        address->port = port;
        return OK;
    }
    return OK;
}

/* ---------------------------------------------------------------- writing */

/* In the largest unit that leaves nothing over. */
static void write_quantity(const struct option *option, uint64_t value, struct buf *out)
{
    const struct unit *units = units_of(option);
    size_t unit = 0;

    if (option->kind != OPTION_NUMBER)
        for (size_t i = 1; i < UNITS; i++)
            if (value > 0 && value % units[i].factor == 0)
                unit = i;
    buf_add_u64(out, value / units[unit].factor);
    if (option->kind != OPTION_NUMBER)
        buf_add_c(out, units[unit].name);
}

static void write_list(const struct config_list *list, struct buf *out)
{
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        buf_add_c(out, list->items[i]);
    }
}

void option_write(const struct option *option, const struct config *config, struct buf *out)
{
    const void *place = target_const(option, config);
    char address[128];

    switch (option->kind) {
    case OPTION_TEXT:
        buf_add_c(out, *(char *const *)place);
        break;
    case OPTION_SECRET:
        buf_add_c(out, **(char *const *)place ? "(set)" : "");
        break;
    case OPTION_WORD:
        buf_add_c(out, option->words[*(const unsigned *)place]);
        break;
    case OPTION_BOOL:
        buf_add_c(out, *(const bool *)place ? "on" : "off");
        break;
    case OPTION_NUMBER:
    case OPTION_DURATION:
        write_quantity(option, *(const unsigned *)place, out);
        break;
    case OPTION_SIZE:
        write_quantity(option, *(const size_t *)place, out);
        break;
    case OPTION_LIST:
        write_list(place, out);
        break;
    case OPTION_ADDRESS:
        buf_add_c(out, config_address_text(place, address));
        break;
    }
}

static void describe_range(const struct option *option, struct buf *out)
{
    buf_add_c(out, ", from ");
    write_quantity(option, option->min, out);
    buf_add_c(out, " to ");
    write_quantity(option, option->max, out);
}

void option_describe(const struct option *option, struct buf *out)
{
    switch (option->kind) {
    case OPTION_TEXT:
        buf_add_c(out, "text");
        break;
    case OPTION_SECRET:
        buf_addf(out, "text, or %s_file with the name of a file that holds it", option->name);
        break;
    case OPTION_WORD:
        for (size_t i = 0; option->words[i]; i++)
            buf_addf(out, "%s%s", i == 0 ? "one of " : ", ", option->words[i]);
        break;
    case OPTION_BOOL:
        buf_add_c(out, "on or off");
        break;
    case OPTION_NUMBER:
        buf_add_c(out, "a whole number");
        describe_range(option, out);
        break;
    case OPTION_SIZE:
        buf_add_c(out, "bytes, or a number with k, M or G behind it");
        describe_range(option, out);
        break;
    case OPTION_DURATION:
        buf_add_c(out, "a number with ms, s, min or h behind it");
        describe_range(option, out);
        break;
    case OPTION_LIST:
        buf_add_c(out, "a list with commas");
        break;
    case OPTION_ADDRESS:
        buf_add_c(out, "host:port, IPv6 in brackets, no host for all addresses");
        break;
    }
}

/* ---------------------------------------------------------------- the rest */

static bool same_lists(const struct config_list *a, const struct config_list *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    return true;
}

bool option_same(const struct option *option, const struct config *a, const struct config *b)
{
    const void *x = target_const(option, a), *y = target_const(option, b);
    const struct config_address *address = x, *other = y;

    switch (option->kind) {
    case OPTION_TEXT:
    case OPTION_SECRET:
        return strcmp(*(char *const *)x, *(char *const *)y) == 0;
    case OPTION_BOOL:
        return *(const bool *)x == *(const bool *)y;
    case OPTION_WORD:
    case OPTION_NUMBER:
    case OPTION_DURATION:
        return *(const unsigned *)x == *(const unsigned *)y;
    case OPTION_SIZE:
        return *(const size_t *)x == *(const size_t *)y;
    case OPTION_LIST:
        return same_lists(x, y);
    case OPTION_ADDRESS:
        return strcmp(address->host, other->host) == 0 && address->port == other->port;
    }
    return false;
}

void option_free(const struct option *option, struct config *config)
{
    void *place = target(option, config);

    switch (option->kind) {
    case OPTION_TEXT:
        free(*(char **)place);
        break;
    case OPTION_SECRET:
        free_secret(*(char **)place);
        break;
    case OPTION_LIST:
        list_free(place);
        break;
    case OPTION_ADDRESS:
        free(((struct config_address *)place)->host);
        break;
    case OPTION_WORD:
    case OPTION_BOOL:
    case OPTION_NUMBER:
    case OPTION_SIZE:
    case OPTION_DURATION:
        break;
    }
}
