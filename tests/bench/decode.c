/* How fast a decoder is by itself: messages of a slot, out of a file of COPY (format binary) with
 * one column, are read again and again. The peer takes the same messages apart with jansson, where
 * they are JSON. Prints a line for each: who, rows a second, megabytes a second, by the time of the
 * processor, so that what else runs does not count.
 *
 *   decode wal2json|pgoutput FILE SECONDS
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "decode/decoder.h"

#define HEADER_BYTES 19 /* the manual, COPY, "Binary Format" */

struct messages {
    struct str *items;
    size_t count;
    size_t bytes;
};

_Noreturn static void die(const char *what)
{
    fprintf(stderr, "decode: %s\n", what);
    exit(1);
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static struct str read_file(const char *name)
{
    FILE *file = fopen(name, "rb");
    char *data;
    long size;

    if (!file || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0)
        die("cannot read the file");
    rewind(file);
    data = malloc((size_t)size + 1);
    if (!data || fread(data, 1, (size_t)size, file) != (size_t)size)
        die("cannot read the file");
    fclose(file);
    return str_from(data, (size_t)size);
}

static uint32_t big_endian(const char *at, size_t bytes)
{
    uint32_t value = 0;

    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | (unsigned char)at[i];
    return value;
}

/* A tuple is a count of fields, which is 1 here, the field's length and its bytes. */
static struct messages split(struct str file)
{
    struct messages messages = {0};
    size_t at = HEADER_BYTES, room = 0;

    while (at + 6 <= file.len && big_endian(file.data + at, 2) == 1) {
        size_t len = big_endian(file.data + at + 2, 4);

        if (len > file.len - at - 6)
            die("a message is cut off");
        if (messages.count == room) {
            room = room ? room * 2 : 1024;
            messages.items = realloc(messages.items, room * sizeof(*messages.items));
            if (!messages.items)
                die("out of memory");
        }
        messages.items[messages.count++] = str_from(file.data + at + 6, len);
        messages.bytes += len;
        at += 6 + len;
    }
    return messages;
}

/* Returns how many rows there were. */
static size_t read_with_decoder(struct decoder *decoder, const struct messages *messages)
{
    size_t rows = 0;

    for (size_t i = 0; i < messages->count; i++) {
        struct change change;
        struct err err;

        if (decoder_read(decoder, messages->items[i], &err) != OK)
            die(err.message);
        while (decoder_next(decoder, &change))
            rows += change_is_row(&change);
    }
    return rows;
}

static void read_with_jansson(const struct messages *messages)
{
    for (size_t i = 0; i < messages->count; i++) {
        json_t *value = json_loadb(messages->items[i].data, messages->items[i].len, 0, NULL);

        if (!value)
            die("jansson does not take a message");
        json_decref(value);
    }
}

/* `decoder` NULL: jansson. */
static void measure(const char *who, struct decoder *decoder, const struct messages *messages,
                    size_t rows, double seconds)
{
    double from = now(), spent;
    size_t rounds = 0;

    do {
        if (decoder)
            (void)read_with_decoder(decoder, messages);
        else
            read_with_jansson(messages);
        rounds++;
        spent = now() - from;
    } while (spent < seconds);
    printf("%s %.0f %.1f\n", who, (double)(rows * rounds) / spent,
           (double)(messages->bytes * rounds) / spent / 1e6);
}

int main(int argc, char **argv)
{
    static char *schemas[] = {(char *)(uintptr_t) "public"};
    static const struct config config = {.schemas = {schemas, 1}};
    struct messages messages;
    struct decoder *decoder;
    struct str file;
    bool is_json;
    size_t rows;

    if (argc != 4)
        die("usage: decode wal2json|pgoutput FILE SECONDS");
    is_json = strcmp(argv[1], "wal2json") == 0;
    decoder = is_json ? decoder_new_wal2json() : decoder_new_pgoutput(&config);
    file = read_file(argv[2]);
    messages = split(file);
    rows = read_with_decoder(decoder, &messages);
    if (rows == 0)
        die("there are no rows in the file");
    measure("decoder", decoder, &messages, rows, atof(argv[3]));
    if (is_json)
        measure("jansson", NULL, &messages, rows, atof(argv[3]));
    decoder_free(decoder);
    free(messages.items);
    free((void *)(uintptr_t)file.data);
    return 0;
}
