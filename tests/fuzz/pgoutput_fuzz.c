/* Messages of a stream, each behind its length of two bytes, as one session brings them; with an
 * empty one first they are those of a session that streams transactions in progress. Whatever they
 * are, reading them is safe; and of what is taken every value becomes JSON that jsonb takes
 * (given UTF-8, as a database of that encoding sends it): a batch cannot be poisoned. */
#include "fuzz.h"

#include "base/json.h"
#include "catalog.h"
#include "decode/decoder.h"
#include "row/event.h"
#include "row/value.h"
#include "stream/in_progress.h"

#define MAX_OUT ((size_t)64 << 20)

static void check_column(const struct types *types, const struct column *column)
{
    struct buf out;

    if (!str_is_utf8(column->value) || !str_is_utf8(column->name))
        return;
    buf_init(&out, MAX_OUT);
    value_add_json(&out, types, column, VALUE_AS_JSONB);
    REQUIRE(!buf_ok(&out) || json_is_jsonb(buf_str(&out)), buf_str(&out));
    buf_clear(&out);
    value_add_json(&out, types, column, VALUE_AS_REALTIME);
    REQUIRE(!buf_ok(&out) || json_is_jsonb(buf_str(&out)), buf_str(&out));
    buf_clear(&out);
    json_add_string(&out, column->name);
    REQUIRE(json_is_jsonb(buf_str(&out)), buf_str(&out));
    buf_clear(&out);
    value_add_text(&out, column);
    REQUIRE(str_eq(buf_str(&out), column->value), column->value);
    REQUIRE(value_same(column, column), column->value);
    buf_fini(&out);
}

static void check_columns(const struct types *types, struct columns columns)
{
    for (size_t i = 0; i < columns.count; i++)
        check_column(types, &columns.items[i]);
}

static void check_change(const struct change *change, struct types *types)
{
    struct event *event = event_new_row(change, 1, 1, 1, types);

    REQUIRE(change->key_count == 0 || change->table.len > 0, change->table);
    REQUIRE(!change_is_row(change) || change->table.len > 0, change->schema);
    REQUIRE(str_eq(event->row.change.table, change->table), change->table);
    check_columns(types, change->record);
    check_columns(types, change->identity);
    (void)change_has_full_identity(change);
    msg_unref(&event->msg);
}

static struct table_keys *some_keys(void)
{
    struct table_keys *keys = table_keys_new(STR("5:9:7"));

    table_keys_add(keys, 1, STR("a"));
    table_keys_add(keys, 1, STR("b"));
    return keys;
}

static void decode(struct decoder *decoder, struct str message, struct types *types)
{
    struct change change;
    struct err err;

    if (decoder_read(decoder, message, &err) == OK)
        while (decoder_next(decoder, &change))
            check_change(&change, types);
}

/* False: the session is over. */
static bool take(struct in_progress *all, struct decoder *decoder, struct str message,
                 struct types *types)
{
    enum in_progress_verdict verdict;
    struct str out;
    struct err err;
    bool is_full, more = true;

    if (in_progress_take(all, message, &verdict, &out, &is_full, &err) != OK)
        return false;
    if (verdict == IN_PROGRESS_PASSES)
        decode(decoder, out, types);
    while (verdict == IN_PROGRESS_ENDS && more) {
        if (in_progress_next(all, &out, &more, &err) != OK)
            abort(); /* what was kept is there */
        if (more)
            decode(decoder, out, types);
    }
    return true;
}

static struct in_progress *streaming(struct str *input, struct stats *stats)
{
    static const struct in_progress_limits limits = {"/tmp", 100000, 3, 20};

    if (input->len < 2 || input->data[0] != 0 || input->data[1] != 0)
        return NULL;
    *input = str_from(input->data + 2, input->len - 2);
    return in_progress_new(&limits, stats);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char *schemas[] = {(char *)(uintptr_t) "s"};
    static const struct config config = {.schemas = {schemas, 1}};
    static struct types *types;
    struct decoder *decoder = decoder_new_pgoutput(&config);
    struct str rest = input_text(data, size);
    struct stats stats = {0};
    struct in_progress *all = streaming(&rest, &stats);
    bool goes_on = true;

    if (!types)
        types = fixture_types();
    decoder_set_keys(decoder, some_keys());
    while (goes_on && rest.len > 2) {
        size_t wanted = (size_t)(unsigned char)rest.data[0] << 8 | (unsigned char)rest.data[1];
        size_t len = wanted < rest.len - 2 ? wanted : rest.len - 2;
        struct str message = str_from(rest.data + 2, len);

        if (all)
            goes_on = take(all, decoder, message, types);
        else
            decode(decoder, message, types);
        rest = str_from(rest.data + 2 + len, rest.len - 2 - len);
    }
    in_progress_free(all);
    REQUIRE(stat_get(&stats.spool_bytes) == 0, STR("what is kept goes with the session"));
    decoder_free(decoder);
    return 0;
}
