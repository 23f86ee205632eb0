#include "decode/wire.h"

#include <string.h>

static size_t left(const struct wire *wire)
{
    return (size_t)(wire->end - wire->p);
}

enum result wire_fail(const struct wire *wire, const char *wanted)
{
    unsigned char type = wire->end > wire->start ? (unsigned char)*wire->start : 0;
    bool shown = type > ' ' && type < 0x7f;

    return err_set(wire->err, "pgoutput message of %zu bytes, type %s%.*s, byte %zu: expected %s",
                   (size_t)(wire->end - wire->start), shown ? "" : "unknown", shown ? 1 : 0,
                   wire->start, (size_t)(wire->p - wire->start), wanted);
}

static enum result read_integer(struct wire *wire, size_t bytes, uint64_t *out)
{
    uint64_t value = 0;

    if (left(wire) < bytes)
        return wire_fail(wire, "an integer");
    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | (unsigned char)wire->p[i];
    wire->p += bytes;
    *out = value;
    return OK;
}

enum result wire_u8(struct wire *wire, uint8_t *out)
{
    uint64_t value = 0;
    enum result result = read_integer(wire, 1, &value);

    *out = (uint8_t)value;
    return result;
}

enum result wire_u16(struct wire *wire, uint16_t *out)
{
    uint64_t value = 0;
    enum result result = read_integer(wire, 2, &value);

    *out = (uint16_t)value;
    return result;
}

enum result wire_u32(struct wire *wire, uint32_t *out)
{
    uint64_t value = 0;
    enum result result = read_integer(wire, 4, &value);

    *out = (uint32_t)value;
    return result;
}

enum result wire_u64(struct wire *wire, uint64_t *out)
{
    *out = 0;
    return read_integer(wire, 8, out);
}

enum result wire_text(struct wire *wire, struct str *out)
{
    const char *nul = left(wire) ? memchr(wire->p, '\0', left(wire)) : NULL;

    if (!nul)
        return wire_fail(wire, "a text that ends in NUL");
    *out = str_from(wire->p, (size_t)(nul - wire->p));
    wire->p = nul + 1;
    return OK;
}

enum result wire_counted(struct wire *wire, struct str *out)
{
    uint32_t len;

    if (wire_u32(wire, &len) != OK)
        return FAILED;
    if (len > left(wire))
        return wire_fail(wire, "as many bytes as the length before this says");
    *out = str_from(wire->p, len);
    wire->p += len;
    return OK;
}

enum result wire_end(const struct wire *wire)
{
    return wire->p == wire->end ? OK : wire_fail(wire, "nothing more");
}
