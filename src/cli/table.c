#include "cli/table.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_TABLE ((size_t)256 << 20)
#define MAX_COLUMNS 32

/* The text of one cell, owned by `room` if it had to be made. */
static struct str cell_text(const json_t *value, struct buf *room)
{
    char *text;

    if (json_is_string(value))
        return str_from(json_string_value(value), json_string_length(value));
    if (!value || json_is_null(value))
        return STR("-");
    if (json_is_boolean(value))
        return json_is_true(value) ? STR("yes") : STR("no");
    text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    buf_clear(room);
    buf_add_c(room, text ? text : "-");
    free(text);
    return buf_str(room);
}

/* Code points, which is what most terminals give one place each. */
static size_t width_of(struct str text)
{
    size_t width = 0;

    for (size_t i = 0; i < text.len; i++)
        width += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    return width;
}

static bool is_control(struct str text, size_t i)
{
    unsigned char c = (unsigned char)text.data[i];

    if (c < 0x20 || c == 0x7f)
        return true;
    /* U+0080 to U+009F, which some terminals obey, are C2 80 to C2 9F */
    return c == 0xc2 && i + 1 < text.len && (unsigned char)text.data[i + 1] < 0xa0;
}

void table_add_shown(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!is_control(text, i)) {
            buf_add_char(out, text.data[i]);
            continue;
        }
        buf_add_char(out, '?');
        i += (unsigned char)text.data[i] == 0xc2;
    }
}

static void add_cell(struct buf *out, struct str text, size_t width, bool right, bool last)
{
    size_t blanks = width - width_of(text);

    for (size_t i = 0; right && i < blanks; i++)
        buf_add_char(out, ' ');
    table_add_shown(out, text);
    for (size_t i = 0; !right && !last && i < blanks; i++)
        buf_add_char(out, ' ');
    buf_add_str(out, last ? STR("\n") : STR("  "));
}

void table_write(struct buf *out, const struct json_t *rows, const struct table_column *columns,
                 size_t count)
{
    size_t widths[MAX_COLUMNS], row;
    struct buf room;
    json_t *object;

    if (count > MAX_COLUMNS)
        count = MAX_COLUMNS;
    buf_init(&room, MAX_TABLE);
    for (size_t i = 0; i < count; i++) {
        widths[i] = width_of(str_c(columns[i].heading));
        json_array_foreach(rows, row, object)
        {
            size_t width = width_of(cell_text(json_object_get(object, columns[i].key), &room));

            if (width > widths[i])
                widths[i] = width;
        }
    }
    for (size_t i = 0; i < count; i++)
        add_cell(out, str_c(columns[i].heading), widths[i], columns[i].right, i + 1 == count);
    json_array_foreach(rows, row, object)
    {
        for (size_t i = 0; i < count; i++)
            add_cell(out, cell_text(json_object_get(object, columns[i].key), &room), widths[i],
                     columns[i].right, i + 1 == count);
    }
    buf_fini(&room);
}

void table_print(const struct json_t *rows, const struct table_column *columns, size_t count,
                 const char *none, bool json)
{
    struct buf out;

    if (json) {
        json_dumpf(rows, stdout, JSON_INDENT(2));
        putchar('\n');
        return;
    }
    if (json_array_size(rows) == 0) {
        puts(none);
        return;
    }
    buf_init(&out, MAX_TABLE);
    table_write(&out, rows, columns, count);
    fwrite(buf_str(&out).data, 1, out.len, stdout);
    buf_fini(&out);
}
