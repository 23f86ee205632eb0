#include "realtime/policies.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/map.h"
#include "base/mem.h"
#include "realtime/snapshot.h"

#define MAX_TABLES 1024 /* then all is forgotten, and asked for again when it is needed */
#define MAX_BATCH 256   /* pairs of table and role in a question */
#define MAX_QUESTION_BYTES ((size_t)1 << 20)

/* A role and what it may do with a table. */
struct known_role {
    struct known_role *next;
    char *role;
    char *print; /* NULL: not known */
    struct table_access *access;
    uint64_t batch; /* the question that asked for it last */
};

struct known_table {
    struct map_node node;
    struct known_table *next;
    char *schema, *table;
    struct known_role *roles;
    uint64_t batch;
};

struct policies {
    struct map map;
    struct known_table *tables;
    size_t table_count;
    uint64_t batch;
    struct known_role *asked[MAX_BATCH]; /* by place */
    size_t asked_count;
    struct buf question;
    struct snapshot snapshot;
    bool settled;  /* nothing was left out of the answer */
    bool doubtful; /* there was none */
};

struct policies *policies_new(void)
{
    struct policies *policies = mem_alloc(sizeof(*policies));

    buf_init(&policies->question, MAX_QUESTION_BYTES);
    return policies;
}

static void set(struct known_role *role, struct str print, struct table_access *access)
{
    free(role->print);
    access_unref(role->access);
    role->print = print.data ? str_dup(print) : NULL;
    role->access = access;
}

static void free_table(struct known_table *table)
{
    while (table->roles) {
        struct known_role *role = table->roles;

        table->roles = role->next;
        set(role, (struct str){0}, NULL);
        free(role->role);
        free(role);
    }
    free(table->schema);
    free(table->table);
    free(table);
}

static void forget_all(struct policies *policies)
{
    while (policies->tables) {
        struct known_table *table = policies->tables;

        policies->tables = table->next;
        free_table(table);
    }
    map_fini(&policies->map);
    policies->table_count = 0;
}

void policies_free(struct policies *policies)
{
    if (!policies)
        return;
    forget_all(policies);
    buf_fini(&policies->question);
    snapshot_fini(&policies->snapshot);
    free(policies);
}

static uint64_t key_of(struct str schema, struct str table)
{
    return hash_more(hash_more(0, schema), table);
}

static struct known_table *find_table(const struct policies *policies, struct str schema,
                                      struct str table)
{
    struct map_node *node = map_find(&policies->map, key_of(schema, table));

    for (; node; node = map_next(node)) {
        struct known_table *found = MAP_THING(node, struct known_table, node);

        if (str_eq(str_c(found->schema), schema) && str_eq(str_c(found->table), table))
            return found;
    }
    return NULL;
}

static struct known_role *find_role(const struct known_table *table, struct str name)
{
    struct known_role *role = table->roles;

    while (role && !str_eq(str_c(role->role), name))
        role = role->next;
    return role;
}

static struct known_table *add_table(struct policies *policies, struct str schema, struct str table)
{
    struct known_table *added = mem_alloc(sizeof(*added));

    added->schema = str_dup(schema);
    added->table = str_dup(table);
    added->next = policies->tables;
    policies->tables = added;
    policies->table_count++;
    map_add(&policies->map, &added->node, key_of(schema, table));
    return added;
}

static struct known_role *need_role(struct known_table *table, struct str name)
{
    struct known_role *role = find_role(table, name);

    if (role)
        return role;
    role = mem_alloc(sizeof(*role));
    role->role = str_dup(name);
    role->next = table->roles;
    table->roles = role;
    return role;
}

void policies_begin(struct policies *policies)
{
    if (policies->table_count >= MAX_TABLES)
        forget_all(policies);
    policies->batch++;
    policies->asked_count = 0;
    policies->settled = true;
    policies->doubtful = false;
    snapshot_fini(&policies->snapshot);
    buf_clear(&policies->question);
}

/* A table that is being added to the question. */
struct adding {
    struct policies *policies;
    struct known_table *table;
    size_t first; /* place of its first role */
};

static void add_role(struct adding *adding, struct known_role *role)
{
    struct policies *policies = adding->policies;
    struct buf *out = &policies->question;

    if (role->batch == policies->batch)
        return;
    role->batch = policies->batch;
    buf_add_c(out, policies->asked_count > adding->first ? ",[" : "[");
    json_add_string(out, str_c(role->role));
    buf_add_char(out, ',');
    if (role->print)
        json_add_string(out, str_c(role->print));
    else
        buf_add_str(out, STR("null"));
    buf_add_char(out, ']');
    policies->asked[policies->asked_count++] = role;
}

static void add_crowd(void *arg, struct crowd *crowd)
{
    struct adding *adding = arg;

    /* roles beyond the bound are not known, so the database is asked about the row */
    if (adding->policies->asked_count < MAX_BATCH)
        add_role(adding, need_role(adding->table, crowd_role(crowd)));
}

bool policies_want(struct policies *policies, const struct hub *hub, struct str schema,
                   struct str table)
{
    struct adding adding = {policies, find_table(policies, schema, table), policies->asked_count};
    struct buf *out = &policies->question;

    if (adding.table && adding.table->batch == policies->batch)
        return true;
    if (policies->asked_count >= MAX_BATCH / 2)
        return false;
    if (!adding.table)
        adding.table = add_table(policies, schema, table);
    adding.table->batch = policies->batch;
    buf_add_c(out, out->len > 0 ? ",{\"schema\":" : "[{\"schema\":");
    json_add_string(out, schema);
    buf_add_str(out, STR(",\"table\":"));
    json_add_string(out, table);
    buf_add_str(out, STR(",\"roles\":["));
    hub_each_crowd(hub, schema, table, add_crowd, &adding);
    buf_add_str(out, STR("]}"));
    return true;
}

struct str policies_question(struct policies *policies)
{
    buf_add_char(&policies->question, ']');
    return buf_str(&policies->question);
}

void policies_set_snapshot(struct policies *policies, struct str snapshot)
{
    snapshot_fini(&policies->snapshot);
    if (!snapshot_read(snapshot, &policies->snapshot))
        policies->settled = false;
}

void policies_learn(struct policies *policies, size_t place, struct str print, struct str facts)
{
    if (!print.data)
        policies->settled = false;
    else if (place < policies->asked_count)
        set(policies->asked[place], print, access_read(facts));
}

bool policies_hold(const struct policies *policies, uint32_t xid)
{
    return policies->doubtful || (policies->settled && snapshot_sees(&policies->snapshot, xid));
}

void policies_doubt(struct policies *policies)
{
    policies->doubtful = true;
    for (size_t i = 0; i < policies->asked_count; i++)
        set(policies->asked[i], (struct str){0}, NULL);
}

struct table_access *policies_find(const struct policies *policies, struct str schema,
                                   struct str table, struct str role)
{
    const struct known_table *known = find_table(policies, schema, table);
    const struct known_role *found = known ? find_role(known, role) : NULL;

    return found && found->batch == policies->batch ? found->access : NULL;
}
