/* Reading the JSON of a rule's row. */
#ifndef PGHERALD_RULES_RULE_ROW_H
#define PGHERALD_RULES_RULE_ROW_H

#include "base/err.h"
#include "base/str.h"

struct rule_row;

enum result rule_row_parse(struct str json, struct rule_row **out, struct err *err) MUST_CHECK;
void rule_row_free(struct rule_row *row);

/* A text column; the empty view for NULL. Borrowed from the row. */
struct str rule_row_text(const struct rule_row *row, const char *column);
bool rule_row_bool(const struct rule_row *row, const char *column, bool otherwise);
/* A jsonb column as compact JSON text that the caller frees; NULL for SQL NULL. */
char *rule_row_json(const struct rule_row *row, const char *column);

struct rule_list {
    char **items;
    size_t count;
};
/* A text[] column. */
enum result rule_row_list(const struct rule_row *row, const char *column, struct rule_list *out,
                          struct err *err) MUST_CHECK;
void rule_list_fini(struct rule_list *list);
bool rule_list_has(const struct rule_list *list, struct str item);

#endif
