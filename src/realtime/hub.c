#include "realtime/hub.h"

#include <assert.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"
#include "realtime/session.h"

#define KINDS_OF_NAME 4 /* each of schema and table may be a wildcard */

struct member {
    struct member *next;
    struct crowd *crowd;
};

struct hub_table {
    struct map_node node;
    char *schema, *table;
    struct member *crowds;
};

struct hub {
    struct map tables;
    size_t count;
};

struct hub *hub_new(void)
{
    return mem_alloc(sizeof(struct hub));
}

void hub_free(struct hub *hub)
{
    if (!hub)
        return;
    map_fini(&hub->tables);
    free(hub);
}

size_t hub_count(const struct hub *hub)
{
    return hub->count;
}

static uint64_t table_key(struct str schema, struct str table)
{
    return hash_more(hash_more(0, schema), table);
}

static struct hub_table *find_table(const struct hub *hub, struct str schema, struct str table)
{
    struct map_node *node = map_find(&hub->tables, table_key(schema, table));

    for (; node; node = map_next(node)) {
        struct hub_table *found = MAP_THING(node, struct hub_table, node);

        if (str_eq(str_c(found->schema), schema) && str_eq(str_c(found->table), table))
            return found;
    }
    return NULL;
}

static struct hub_table *need_table(struct hub *hub, const struct binding *binding)
{
    struct str schema = str_c(binding->schema), table = str_c(binding->table);
    struct hub_table *found = find_table(hub, schema, table);

    if (found)
        return found;
    found = mem_alloc(sizeof(*found));
    found->schema = str_dup(schema);
    found->table = str_dup(table);
    map_add(&hub->tables, &found->node, table_key(schema, table));
    return found;
}

static void drop_table_if_empty(struct hub *hub, struct hub_table *table)
{
    if (table->crowds)
        return;
    map_remove(&hub->tables, &table->node);
    free(table->schema);
    free(table->table);
    free(table);
}

/* Where the crowd of a role is linked, or would be. */
static struct member **find_member(struct hub_table *table, struct str role)
{
    struct member **at = &table->crowds;

    while (*at && !str_eq(crowd_role((*at)->crowd), role))
        at = &(*at)->next;
    return at;
}

static bool is_one_table(const struct binding *binding)
{
    return !str_eq(str_c(binding->schema), STR("*")) && !str_eq(str_c(binding->table), STR("*"));
}

void hub_add(struct hub *hub, struct binding *binding, const struct session *session)
{
    struct hub_table *table = need_table(hub, binding);
    struct member **at = find_member(table, str_c(session->role));

    binding->session = session;
    if (!*at) {
        *at = mem_alloc(sizeof(**at));
        (*at)->crowd = crowd_new(str_c(session->role), is_one_table(binding));
    }
    crowd_add((*at)->crowd, binding);
    hub->count++;
}

void hub_remove(struct hub *hub, struct binding *binding)
{
    struct hub_table *table = find_table(hub, str_c(binding->schema), str_c(binding->table));
    struct member **at = find_member(table, str_c(binding->session->role)), *member = *at;

    assert(member); /* by hub_add() */
    crowd_remove(member->crowd, binding);
    binding->session = NULL;
    hub->count--;
    if (crowd_count(member->crowd) > 0)
        return;
    *at = member->next;
    crowd_free(member->crowd);
    free(member);
    drop_table_if_empty(hub, table);
}

static size_t find_tables(const struct hub *hub, struct str schema, struct str table,
                          struct hub_table *out[KINDS_OF_NAME])
{
    const struct str any = STR("*");
    const struct str names[KINDS_OF_NAME][2] = {
        {schema, table}, {schema, any}, {any, table}, {any, any}};
    size_t count = 0;

    for (size_t i = 0; hub->count > 0 && i < KINDS_OF_NAME; i++) {
        out[count] = find_table(hub, names[i][0], names[i][1]);
        count += out[count] != NULL;
    }
    return count;
}

bool hub_follows(const struct hub *hub, struct str schema, struct str table)
{
    struct hub_table *tables[KINDS_OF_NAME];

    return find_tables(hub, schema, table, tables) > 0;
}

void hub_each_crowd(const struct hub *hub, struct str schema, struct str table,
                    void (*found)(void *arg, struct crowd *crowd), void *arg)
{
    struct hub_table *tables[KINDS_OF_NAME];
    size_t count = find_tables(hub, schema, table, tables);

    for (size_t i = 0; i < count; i++)
        for (struct member *member = tables[i]->crowds; member; member = member->next)
            found(arg, member->crowd);
}
