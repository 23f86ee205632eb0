#include "decode/relation.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "decode/followed.h"

#define MAX_DESCRIPTION ((size_t)1 << 20) /* 1600 columns with the longest names are 120 kB */
#define FLAG_IDENTIFIES 1                 /* LOGICALREP_IS_REPLICA_IDENTITY */

enum {
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_OID = 26,
    OID_FLOAT4 = 700,
    OID_FLOAT8 = 701,
    OID_NUMERIC = 1700
};

void relations_init(struct relations *relations, size_t max_bytes)
{
    *relations = (struct relations){.max_bytes = max_bytes};
}

void relations_fini(struct relations *relations)
{
    for (size_t b = 0; b < relations->map.bucket_count; b++) {
        struct map_node *next;

        for (struct map_node *node = relations->map.buckets[b]; node; node = next) {
            next = node->next;
            free(MAP_THING(node, struct relation, node));
        }
    }
    map_fini(&relations->map);
}

void relations_clear(struct relations *relations)
{
    size_t max_bytes = relations->max_bytes;

    if (relations->map.count == 0)
        return;
    relations_fini(relations);
    relations_init(relations, max_bytes);
}

struct relation *relations_find(struct relations *relations, uint32_t oid)
{
    struct map_node *node;

    if (relations->last && relations->last->oid == oid)
        return relations->last;
    node = map_find(&relations->map, oid);
    if (!node)
        return NULL;
    relations->last = MAP_THING(node, struct relation, node);
    return relations->last;
}

static void take_out(struct relations *relations, struct relation *relation)
{
    relations->last = NULL;
    relations->bytes -= relation->bytes;
    map_remove(&relations->map, &relation->node);
}

static void forget(struct relations *relations, uint32_t oid)
{
    struct relation *relation = relations_find(relations, oid);

    if (!relation)
        return;
    take_out(relations, relation);
    free(relation);
}

/* As wal2json prints them: the same types bare, and bytea without its \x. A domain has an oid of
 * its own and is text to both. */
static enum column_reading reading_of(uint32_t type)
{
    switch (type) {
    case OID_INT2:
    case OID_INT4:
    case OID_INT8:
    case OID_OID:
    case OID_FLOAT4:
    case OID_FLOAT8:
    case OID_NUMERIC:
        return READ_NUMBER;
    case OID_BOOL:
        return READ_BOOL;
    case OID_BYTEA:
        return READ_BYTEA;
    default:
        return READ_TEXT;
    }
}

static struct str keep(char **at, struct str text)
{
    struct str copy = str_from(*at, text.len);

    if (text.len)
        memcpy(*at, text.data, text.len);
    *at += text.len;
    return copy;
}

static enum result read_column(struct wire *wire, char **names, struct relation_column *column)
{
    uint32_t modifier;
    struct str name;
    uint8_t flags;

    if (wire_u8(wire, &flags) != OK || wire_text(wire, &name) != OK ||
        wire_u32(wire, &column->type) != OK || wire_u32(wire, &modifier) != OK)
        return FAILED;
    if (name.len == 0)
        return wire_fail(wire, "a column with a name before this");
    column->name = keep(names, name);
    column->identifies = flags & FLAG_IDENTIFIES;
    column->reading = reading_of(column->type);
    return OK;
}

/* An empty name of a schema is pg_catalog: see logicalrep_write_namespace(). */
static enum result read_head(struct wire *wire, struct relation *head, uint16_t *count)
{
    uint8_t identity;

    if (wire_u32(wire, &head->oid) != OK || wire_text(wire, &head->schema) != OK ||
        wire_text(wire, &head->table) != OK || wire_u8(wire, &identity) != OK ||
        wire_u16(wire, count) != OK)
        return FAILED;
    head->identity = (char)identity;
    if (head->oid == 0 || head->table.len == 0)
        return wire_fail(wire, "a table with an oid and a name before this");
    if (!strchr("dnfi", identity) || identity == '\0')
        return wire_fail(wire, "a replica identity of d, n, f or i before this");
    if (*count > MAX_COLUMNS)
        return wire_fail(wire, "no more than 1664 columns");
    if (head->schema.len == 0)
        head->schema = STR("pg_catalog");
    return OK;
}

static enum result read_body(struct wire *wire, const struct relation *head, char *names,
                             struct relation *relation)
{
    relation->schema = keep(&names, head->schema);
    relation->table = keep(&names, head->table);
    for (size_t i = 0; i < relation->count; i++)
        if (read_column(wire, &names, &relation->columns[i]) != OK)
            return FAILED;
    return wire_end(wire);
}

static void add_key(struct relation *relation, struct str name)
{
    if (relation->key_count < MAX_KEY)
        relation->key[relation->key_count++] = name;
}

/* With the default the replica identity is the primary key. */
static void set_default_key(struct relation *relation)
{
    for (size_t i = 0; i < relation->count; i++)
        if (relation->columns[i].identifies)
            add_key(relation, relation->columns[i].name);
    relation->key_known = true;
}

void relation_set_key(struct relation *relation, const struct table_keys *keys)
{
    relation->key_count = 0;
    for (size_t i = 0; keys && i < relation->count; i++)
        if (table_keys_has(keys, relation->oid, relation->columns[i].name))
            add_key(relation, relation->columns[i].name);
    relation->key_known = true;
}

static enum result add(struct relations *relations, struct relation *relation, struct err *err)
{
    forget(relations, relation->oid);
    if (relation->bytes > relations->max_bytes - relations->bytes)
        return err_set(err,
                       "pgoutput has described %zu tables in this session, more than %zu bytes",
                       relations->map.count, relations->max_bytes);
    relations->bytes += relation->bytes;
    map_add(&relations->map, &relation->node, relation->oid);
    relations->last = relation;
    return OK;
}

enum result relations_read(struct relations *relations, struct wire *wire, uint64_t number,
                           const struct config *config)
{
    size_t message = (size_t)(wire->end - wire->start), bytes;
    struct relation head = {0}, *relation;
    uint16_t count;

    if (message > MAX_DESCRIPTION)
        return wire_fail(wire, "a description of a table of at most 1 MiB");
    if (read_head(wire, &head, &count) != OK)
        return FAILED;
    /* names are never longer than the message, but for the schema that it leaves out */
    bytes = sizeof(*relation) + count * sizeof(relation->columns[0]) + message + head.schema.len;
    relation = mem_alloc(bytes);
    relation->oid = head.oid;
    relation->identity = head.identity;
    relation->count = count;
    relation->bytes = bytes;
    relation->number = number;
    if (read_body(wire, &head, (char *)&relation->columns[count], relation) != OK ||
        add(relations, relation, wire->err) != OK) {
        free(relation);
        return FAILED;
    }
    relation->followed = followed_table(config, relation->schema, relation->table);
    if (relation->identity == 'd')
        set_default_key(relation);
    return OK;
}

/* Frees it if it is not added. */
static enum result adopt(struct relations *to, struct relation *relation, struct err *err)
{
    const struct relation *known = relations_find(to, relation->oid);

    if (known && known->number > relation->number) {
        free(relation);
        return OK;
    }
    if (add(to, relation, err) == OK)
        return OK;
    free(relation);
    return FAILED;
}

enum result relations_adopt(struct relations *to, struct relations *from, struct err *err)
{
    enum result result = OK;

    for (size_t b = 0; b < from->map.bucket_count;) { /* there are none without the last of them */
        struct map_node *node = from->map.buckets[b];
        struct relation *relation;

        if (!node) {
            b++;
            continue;
        }
        relation = MAP_THING(node, struct relation, node);
        take_out(from, relation);
        if (result == OK)
            result = adopt(to, relation, err);
        else
            free(relation);
    }
    return result;
}
