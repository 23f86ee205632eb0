/* Source: the manual's "Logical Replication Message Formats"; proto.c, pgoutput.c. */
#include "decode/streamed.h"

#include "decode/wire.h"
#include "row/audit_context.h"
#include "row/schema_change.h"

#define COMMIT_BODY 25 /* flags, LSN, end, time */
#define LSN_AT 1
#define TIME_AT 17

static enum result read_xid(struct wire *wire, uint32_t *xid)
{
    if (wire_u32(wire, xid) != OK)
        return FAILED;
    return *xid ? OK : wire_fail(wire, "a transaction's number before this");
}

static struct str rest_of(const struct wire *wire)
{
    return str_from(wire->p, (size_t)(wire->end - wire->p));
}

static enum result read_start(uint32_t *block, struct wire *wire, struct streamed_message *out)
{
    uint8_t is_first;

    if (read_xid(wire, &out->xid) != OK || wire_u8(wire, &is_first) != OK || wire_end(wire) != OK)
        return FAILED;
    out->kind = STREAMED_START;
    *block = out->xid;
    return OK;
}

static enum result read_commit(struct wire *wire, struct streamed_message *out)
{
    if (read_xid(wire, &out->xid) != OK)
        return FAILED;
    out->kind = STREAMED_COMMIT;
    out->body = rest_of(wire);
    return out->body.len == COMMIT_BODY ? OK : wire_fail(wire, "25 bytes more");
}

static enum result read_abort(struct wire *wire, struct streamed_message *out)
{
    if (read_xid(wire, &out->xid) != OK || read_xid(wire, &out->sub_xid) != OK)
        return FAILED;
    out->kind = STREAMED_ABORT;
    return wire_end(wire);
}

static enum result read_outside(uint32_t *block, struct wire *wire, struct streamed_message *out)
{
    switch (out->type) {
    case 'S':
        return read_start(block, wire, out);
    case 'c':
        return read_commit(wire, out);
    case 'A':
        return read_abort(wire, out);
    case 'E':
        return wire_fail(wire, "a block around this");
    case STREAMED_BEGIN:
    case STREAMED_RELATION:
        return wire_fail(wire, "a message of the protocol");
    default:
        out->kind = STREAMED_NONE;
        out->body = rest_of(wire);
        return OK;
    }
}

static enum result read_inside(uint32_t *block, struct wire *wire, struct streamed_message *out)
{
    out->xid = out->sub_xid = *block;
    out->kind = STREAMED_PART;
    switch (out->type) {
    case 'E':
        out->kind = STREAMED_STOP;
        *block = 0;
        return wire_end(wire);
    case 'O': /* the only one without a number */
        break;
    case 'I':
    case 'U':
    case 'D':
    case 'T':
    case 'M':
    case 'R':
    case 'Y':
        if (read_xid(wire, &out->sub_xid) != OK)
            return FAILED;
        break;
    default:
        return wire_fail(wire, "one of I U D T M R Y O E inside a block before this");
    }
    out->body = rest_of(wire);
    return OK;
}

enum result streamed_read(uint32_t *block, struct str message, struct streamed_message *out,
                          struct err *err)
{
    struct wire wire = {message.data, message.data, message.data + message.len, err};
    uint8_t type;

    *out = (struct streamed_message){0};
    if (wire_u8(&wire, &type) != OK)
        return FAILED;
    out->type = (char)type;
    return *block ? read_inside(block, &wire, out) : read_outside(block, &wire, out);
}

bool streamed_is_told(const struct streamed_message *part)
{
    struct err err;
    struct wire wire = {part->body.data, part->body.data, part->body.data + part->body.len, &err};
    struct str prefix;
    uint8_t flags;
    uint64_t lsn;

    if (part->type != 'M' || wire_u8(&wire, &flags) != OK || wire_u64(&wire, &lsn) != OK ||
        wire_text(&wire, &prefix) != OK)
        return false;
    return str_eq(prefix, AUDIT_CONTEXT_PREFIX) || str_eq(prefix, SCHEMA_CHANGE_PREFIX);
}

void streamed_add_begin(struct buf *out, const struct streamed_message *commit)
{
    buf_add_char(out, STREAMED_BEGIN);
    buf_add(out, commit->body.data + LSN_AT, sizeof(uint64_t));
    buf_add(out, commit->body.data + TIME_AT, sizeof(uint64_t));
    buf_add_be32(out, commit->xid);
}

void streamed_add_end(struct buf *out, const struct streamed_message *commit)
{
    buf_add_char(out, 'C');
    buf_add_str(out, commit->body);
}
