/* A hash table of struct table_rules by (schema, table). */
#ifndef PGHERALD_RULES_TABLE_CACHE_H
#define PGHERALD_RULES_TABLE_CACHE_H

#include "rules/ruleset.h"

struct table_cache;

struct table_cache *table_cache_new(void);
void table_cache_free(struct table_cache *cache);
void table_cache_clear(struct table_cache *cache);

/* The entry of a table; *made says that it is new, with only its names filled in. At 16,384 tables
 * the cache is emptied and fills again: partitions come and go for ever. */
struct table_rules *table_cache_get(struct table_cache *cache, struct str schema, struct str table,
                                    bool *made);

void column_rule_fini(struct column_rule *rule);

#endif
