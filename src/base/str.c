#include "base/str.h"

#include <string.h>

#include "base/mem.h"

struct str str_from(const char *data, size_t len)
{
    return (struct str){data, len};
}

struct str str_c(const char *nul_terminated)
{
    return (struct str){nul_terminated, nul_terminated ? strlen(nul_terminated) : 0};
}

bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.data[i]) != lower(b.data[i]))
            return false;
    return true;
}

bool str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq(str_from(s.data, prefix.len), prefix);
}

bool str_ends(struct str s, struct str suffix)
{
    if (suffix.len == 0 || s.len < suffix.len)
        return suffix.len == 0;
    return str_eq(str_from(s.data + (s.len - suffix.len), suffix.len), suffix);
}

int str_cmp(struct str a, struct str b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common == 0 ? 0 : memcmp(a.data, b.data, common);

    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
    while (s.len > 0 && is_space(s.data[0])) {
        s.data++;
        s.len--;
    }
    while (s.len > 0 && is_space(s.data[s.len - 1]))
        s.len--;
    return s;
}

bool str_split(struct str s, char sep, struct str *head, struct str *tail)
{
    const char *at = s.len ? memchr(s.data, sep, s.len) : NULL;

    if (!at) {
        *head = s;
        *tail = s.len ? str_from(s.data + s.len, 0) : s;
        return false;
    }
    *head = str_from(s.data, (size_t)(at - s.data));
    *tail = str_from(at + 1, s.len - head->len - 1);
    return true;
}

bool str_glob(struct str pattern, struct str s)
{
    size_t p = 0, i = 0;
    size_t star = SIZE_MAX, resume = 0;

    while (i < s.len) {
        if (p < pattern.len && pattern.data[p] == '*') {
            star = p++;
            resume = i;
        } else if (p < pattern.len && pattern.data[p] == s.data[i]) {
            p++;
            i++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            i = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.data[p] == '*')
        p++;
    return p == pattern.len;
}

/* How many bytes the character at p has; 0 if there is none. The second byte's range depends on the
 * first: RFC 3629, section 4. */
static size_t utf8_length(const unsigned char *p, size_t left)
{
    size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    unsigned char low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;

    if (p[0] > 0xf4 || len > left)
        return 0;
    if (len > 1 && (p[1] < low || p[1] > high))
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

bool str_is_utf8(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.data;

    for (size_t at = 0, len; at < s.len; at += len) {
        len = utf8_length(p + at, s.len - at);
        if (len == 0)
            return false;
    }
    return true;
}

uint64_t str_hash(struct str s)
{
    uint64_t hash = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < s.len; i++)
        hash = (hash ^ (unsigned char)s.data[i]) * UINT64_C(1099511628211);
    return hash;
}

bool str_to_u64(struct str s, uint64_t *out)
{
    uint64_t v = 0;

    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned char)s.data[i] - '0';

        if (digit > 9 || v > (UINT64_MAX - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    *out = v;
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool str_to_uuid(struct str s, uint8_t out[16])
{
    size_t at = 0;

    if (s.len != 36)
        return false;
    for (size_t i = 0; i < 36; i += 2) {
        int high, low;

        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (s.data[i++] != '-')
                return false;
        }
        high = hex_digit(s.data[i]);
        low = hex_digit(s.data[i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[at++] = (uint8_t)(high << 4 | low);
    }
    return at == 16;
}

struct str str_whole_utf8(struct str s)
{
    size_t at = s.len, need;
    unsigned char lead;

    while (at > 0 && s.len - at < 4 && ((unsigned char)s.data[at - 1] & 0xc0) == 0x80)
        at--;
    if (at == 0 || (unsigned char)s.data[at - 1] < 0xc0)
        return s;
    lead = (unsigned char)s.data[at - 1];
    need = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    return s.len - (at - 1) < need ? str_from(s.data, at - 1) : s;
}

char *str_dup(struct str s)
{
    char *copy = mem_alloc(s.len + 1);

    if (s.len)
        memcpy(copy, s.data, s.len);
    return copy;
}
