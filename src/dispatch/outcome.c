/* What came of a transfer, in words that say how far it came. */
#include <stdio.h>
#include <string.h>

#include "dispatch/transfer.h"

static curl_off_t time_of(const struct transfer *transfer, CURLINFO info)
{
    curl_off_t us = 0;

    curl_easy_getinfo(transfer->easy, info, &us);
    return us;
}

static long number_of(const struct transfer *transfer, CURLINFO info)
{
    long number = 0;

    curl_easy_getinfo(transfer->easy, info, &number);
    return number;
}

static bool is_https(const struct transfer *transfer)
{
    const char *scheme = NULL;

    curl_easy_getinfo(transfer->easy, CURLINFO_SCHEME, &scheme);
    return scheme && (*scheme == 'h' || *scheme == 'H') && strlen(scheme) == 5;
}

/* How far it came. On a connection that was used before, all of the first three are past. */
static const char *phase_of(const struct transfer *transfer)
{
    if (number_of(transfer, CURLINFO_RESPONSE_CODE) != 0)
        return "reading the response";
    if (time_of(transfer, CURLINFO_PRETRANSFER_TIME_T) > 0)
        return "waiting for the response";
    if (is_https(transfer) && number_of(transfer, CURLINFO_LOCAL_PORT) > 0)
        return "TLS handshake";
    if (time_of(transfer, CURLINFO_NAMELOOKUP_TIME_T) > 0)
        return "connecting";
    return "DNS lookup";
}

static void describe_refusal(const struct guard_refused *refused, char out[OUTCOME_ERROR_MAX])
{
    if (refused->range)
        snprintf(out, OUTCOME_ERROR_MAX, "connecting: refused, %s (%s)", refused->why,
                 refused->range);
    else
        snprintf(out, OUTCOME_ERROR_MAX, "connecting: refused, %s", refused->why);
}

static const char *describe(const struct transfer *transfer, CURLcode result,
                            char out[OUTCOME_ERROR_MAX])
{
    const char *reason =
        transfer->curl_error[0] ? transfer->curl_error : curl_easy_strerror(result);

    if (transfer->is_refused && result == CURLE_COULDNT_CONNECT)
        describe_refusal(&transfer->refused, out);
    else if (result == CURLE_OPERATION_TIMEDOUT)
        snprintf(out, OUTCOME_ERROR_MAX, "%s: timed out after %u ms", phase_of(transfer),
                 transfer->timeout_ms);
    else if (transfer->header_bytes > SENDER_HEADERS_MAX)
        snprintf(out, OUTCOME_ERROR_MAX, "reading the response: more than %zu bytes of headers",
                 SENDER_HEADERS_MAX);
    else if (result == CURLE_OUT_OF_MEMORY && number_of(transfer, CURLINFO_RESPONSE_CODE) != 0)
        /* also what curl says of a line beyond its own bound, 100 kB */
        snprintf(out, OUTCOME_ERROR_MAX, "reading the response: a header too long to hold");
    else if (result == CURLE_OK) /* curl takes "HTTP/2" and an end of line for a status line */
        snprintf(out, OUTCOME_ERROR_MAX, "reading the response: it has no status");
    else
        snprintf(out, OUTCOME_ERROR_MAX, "%s: %s", phase_of(transfer), reason);
    return out;
}

struct sender_answer outcome_of(const struct transfer *transfer, CURLcode result,
                                char error[OUTCOME_ERROR_MAX])
{
    int status_code = (int)number_of(transfer, CURLINFO_RESPONSE_CODE);
    curl_off_t retry_after = 0;
    struct sender_answer answer;

    curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &retry_after);
    answer = (struct sender_answer){
        .status_code = status_code,
        /* The status is what counts, and nobody is made to send its megabytes again and again. */
        .complete = status_code != 0 && (result == CURLE_OK || transfer->too_long),
        .blocked = transfer->is_refused && result == CURLE_COULDNT_CONNECT,
        .duration_ms = (unsigned)(time_of(transfer, CURLINFO_TOTAL_TIME_T) / 1000),
        .retry_after_s = retry_after,
        .body = buf_str(&transfer->body),
    };
    if (!answer.complete)
        answer.error = describe(transfer, result, error);
    return answer;
}
