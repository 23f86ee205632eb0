#include "dispatch/request.h"

#include <inttypes.h>
#include <stdio.h>

#include "dispatch/guard.h"
#include "dispatch/headers.h"
#include "dispatch/signature.h"

#define SIGNATURE_HEADER_MAX 1024
#define MESSAGE_ID_MAX 256

/* It becomes a header, and whoever may write to the outbox chose it. */
static bool is_message_id(struct str id)
{
    for (size_t i = 0; i < id.len; i++)
        if (id.data[i] <= ' ' || id.data[i] > '~')
            return false;
    return id.len > 0 && id.len <= MESSAGE_ID_MAX;
}

/* What the payload is and not what its endpoint has now: that may have changed since. The pipeline
 * writes "specversion" first, see rules/webhook_body. */
static struct str content_type(struct str payload)
{
    return str_starts(payload, STR("{\"specversion\":")) ? STR("application/cloudevents+json")
                                                         : STR("application/json");
}

static enum result sign(const struct delivery *delivery, int64_t now_s, struct buf *out,
                        struct err *err)
{
    struct signature_keys keys = {0};
    enum result result = signature_add_secrets(&keys, delivery->field[DELIVERY_SECRETS], err);

    if (result == OK)
        result = signature_sign(&keys, delivery->field[DELIVERY_MESSAGE_ID], now_s,
                                delivery->field[DELIVERY_PAYLOAD], out, err);
    signature_wipe(&keys);
    return result;
}

static enum result add_signed(const struct delivery *delivery, int64_t now_s, struct buf *headers,
                              struct err *err)
{
    struct buf signature;
    char timestamp[24];
    enum result result;

    buf_init(&signature, SIGNATURE_HEADER_MAX);
    result = sign(delivery, now_s, &signature, err);
    if (result == OK) {
        snprintf(timestamp, sizeof(timestamp), "%" PRId64, now_s);
        headers_add(headers, "webhook-id", delivery->field[DELIVERY_MESSAGE_ID]);
        headers_add(headers, "webhook-timestamp", str_c(timestamp));
        headers_add(headers, "webhook-signature", buf_str(&signature));
    }
    buf_fini(&signature);
    return result;
}

/* So that a receiver can tell what is new from what is told again. */
static void add_origin(const struct delivery *delivery, struct buf *headers)
{
    if (str_eq(delivery->field[DELIVERY_ORIGIN], STR("replay")))
        headers_add(headers, "webhook-replay", STR("true"));
    else if (str_eq(delivery->field[DELIVERY_ORIGIN], STR("test")))
        headers_add(headers, "webhook-test", STR("true"));
}

enum result request_build(const struct delivery *delivery, int64_t now_s, struct buf *headers,
                          struct err *err)
{
    if (guard_check_url(delivery->field[DELIVERY_URL], err) != OK)
        return FAILED;
    if (!is_message_id(delivery->field[DELIVERY_MESSAGE_ID]))
        return err_set(err,
                       "the message id is empty, longer than %d bytes or has a byte that no "
                       "header may have",
                       MESSAGE_ID_MAX);
    if (headers_add_json(headers, delivery->field[DELIVERY_HEADERS], err) != OK)
        return FAILED;
    if (!headers_have(buf_str(headers), STR("content-type")))
        headers_add(headers, "content-type", content_type(delivery->field[DELIVERY_PAYLOAD]));
    add_origin(delivery, headers);
    if (add_signed(delivery, now_s, headers, err) != OK)
        return FAILED;
    return buf_ok(headers)
               ? OK
               : err_set(err, "the headers have more than %d bytes in all", HEADERS_BYTES_MAX);
}
