#include <stdlib.h>

#include "base/mem.h"
#include "rules/ruleset.h"

static bool is_known(const struct table_rules *table, const struct change *change)
{
    if (table->key_count != change->key_count)
        return false;
    for (size_t i = 0; i < change->key_count; i++)
        if (!str_eq(table->key[i], change->key[i]))
            return false;
    return true;
}

void table_rules_forget_key(struct table_rules *table)
{
    for (size_t i = 0; i < table->key_count; i++)
        free((void *)(uintptr_t)table->key[i].data);
    free(table->key);
    table->key = NULL;
    table->key_count = 0;
}

static void remember(struct table_rules *table, const struct change *change)
{
    table_rules_forget_key(table);
    table->key = mem_grow(NULL, change->key_count, sizeof(*table->key));
    for (size_t i = 0; i < change->key_count; i++)
        table->key[i] = str_from(str_dup(change->key[i]), change->key[i].len);
    table->key_count = change->key_count;
}

void table_rules_mend_key(struct table_rules *table, struct change *change)
{
    if (change->kind == CHANGE_TRUNCATE)
        return;
    if (change->key_count == 0) {
        change->key = table->key;
        change->key_count = table->key_count;
    } else if (!is_known(table, change)) {
        remember(table, change);
    }
}
