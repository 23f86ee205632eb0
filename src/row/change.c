#include "row/change.h"

bool change_is_row(const struct change *change)
{
    switch (change->kind) {
    case CHANGE_INSERT:
    case CHANGE_UPDATE:
    case CHANGE_DELETE:
    case CHANGE_TRUNCATE:
        return true;
    case CHANGE_BEGIN:
    case CHANGE_COMMIT:
    case CHANGE_MESSAGE:
        return false;
    }
    return false;
}

struct str change_verb(enum change_kind kind)
{
    switch (kind) {
    case CHANGE_BEGIN:
        return STR("begin");
    case CHANGE_COMMIT:
        return STR("commit");
    case CHANGE_INSERT:
        return STR("insert");
    case CHANGE_UPDATE:
        return STR("update");
    case CHANGE_DELETE:
        return STR("delete");
    case CHANGE_TRUNCATE:
        return STR("truncate");
    case CHANGE_MESSAGE:
        return STR("message");
    }
    return STR("");
}

const struct column *columns_find(struct columns columns, struct str name)
{
    for (size_t i = 0; i < columns.count; i++)
        if (str_eq(columns.items[i].name, name))
            return &columns.items[i];
    return NULL;
}

/* Both lists stand in the table's order, so the next one wanted is nearly always the next one. */
static bool identity_holds_record(struct columns identity, struct columns record)
{
    size_t next = 0;

    for (size_t i = 0; i < record.count; i++) {
        struct str name = record.items[i].name;

        if (next < identity.count && str_eq(identity.items[next].name, name)) {
            next++;
            continue;
        }
        const struct column *found = columns_find(identity, name);

        if (!found)
            return false;
        next = (size_t)(found - identity.items) + 1;
    }
    return true;
}

static bool identity_holds_key(const struct change *change)
{
    for (size_t i = 0; i < change->key_count; i++)
        if (!columns_find(change->identity, change->key[i]))
            return false;
    return true;
}

/* The stream does not say which replica identity a table has. An UPDATE shows it: the old row is
 * whole if it has every column of the new one. A DELETE has only the old row, which is taken as
 * whole if it has more than the key. (A key of all columns is then called not whole; nothing is
 * lost by that, as its columns are there.) */
bool change_has_full_identity(const struct change *change)
{
    if (change->identity.count == 0)
        return false;
    if (change->kind == CHANGE_UPDATE)
        return change->identity.count >= change->record.count &&
               identity_holds_record(change->identity, change->record);
    return change->kind == CHANGE_DELETE && change->identity.count > change->key_count &&
           identity_holds_key(change);
}

const struct column *change_current(const struct change *change, struct str name)
{
    const struct column *column;

    if (change->kind == CHANGE_DELETE)
        return columns_find(change->identity, name);
    column = columns_find(change->record, name);
    if (!column && change->kind == CHANGE_UPDATE && change_has_full_identity(change))
        column = columns_find(change->identity, name);
    return column;
}
