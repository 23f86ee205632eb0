/* A borrowed view of bytes. It owns nothing and need not end in NUL. */
#ifndef PGHERALD_BASE_STR_H
#define PGHERALD_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str {
    const char *data;
    size_t len;
};

/* For literals only: the length is the compiler's. */
#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})

/* printf("%.*s", STR_ARG(s)); a view longer than INT_MAX is cut. */
#define STR_ARG(s) ((s).len > 0x7fffffff ? 0x7fffffff : (int)(s).len), (s).data

struct str str_from(const char *data, size_t len);
struct str str_c(const char *nul_terminated); /* NULL gives the empty view */

bool str_eq(struct str a, struct str b);
bool str_eq_nocase(struct str a, struct str b); /* ASCII letters only */
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);

/* Byte order, as memcmp with the shorter one first: <0, 0, >0. */
int str_cmp(struct str a, struct str b);

/* Without the white space (space, tab, CR, LF) on both sides. */
struct str str_trim(struct str s);

/* Splits at the first `sep`: *head gets what is before it, *tail what is behind; false, with *head
 * the whole and *tail empty, if there is none. */
bool str_split(struct str s, char sep, struct str *head, struct str *tail);

/* Matches a shell-like pattern in which only `*` is special: any run of bytes, also none. */
bool str_glob(struct str pattern, struct str s);

/* Well-formed by RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool str_is_utf8(struct str s);

/* FNV-1a, for tables that live in memory only. */
uint64_t str_hash(struct str s);

/* Decimal digits only; false on anything else or on overflow. */
bool str_to_u64(struct str s, uint64_t *out);

/* The lower-case or upper-case 8-4-4-4-12 form; fills 16 bytes. */
bool str_to_uuid(struct str s, uint8_t out[16]);

/* Without the beginning of a UTF-8 sequence at its end: what is left of a text that was cut. */
struct str str_whole_utf8(struct str s);

/* A NUL-terminated copy that the caller frees. */
char *str_dup(struct str s);

#endif
