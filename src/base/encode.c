#include "base/encode.h"

#define ALPHABET "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static void encode(struct buf *out, const uint8_t *data, size_t len, const char *alphabet,
                   bool padded)
{
    for (size_t i = 0; i < len; i += 3) {
        size_t bytes = len - i < 3 ? len - i : 3;
        uint32_t group = (uint32_t)data[i] << 16 | (uint32_t)(bytes > 1 ? data[i + 1] : 0) << 8 |
                         (bytes > 2 ? data[i + 2] : 0);
        char text[4] = {alphabet[group >> 18], alphabet[group >> 12 & 63],
                        bytes > 1 ? alphabet[group >> 6 & 63] : '=',
                        bytes > 2 ? alphabet[group & 63] : '='};

        buf_add(out, text, padded ? sizeof(text) : bytes + 1);
    }
}

void base64_encode(struct buf *out, const uint8_t *data, size_t len)
{
    encode(out, data, len, ALPHABET "+/", true);
}

void base64url_encode(struct buf *out, const uint8_t *data, size_t len)
{
    encode(out, data, len, ALPHABET "-_", false);
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    if (c == '/' || c == '_')
        return 63;
    return -1;
}

bool base64_decode(struct buf *out, struct str text)
{
    size_t start = out->len;
    uint32_t bits = 0;
    unsigned count = 0;

    for (int padding = 0; padding < 2 && text.len > 0 && text.data[text.len - 1] == '='; padding++)
        text.len--;
    for (size_t i = 0; i < text.len; i++) {
        int digit = base64_digit(text.data[i]);

        if (digit < 0) {
            buf_truncate(out, start);
            return false;
        }
        bits = bits << 6 | (uint32_t)digit;
        count += 6;
        if (count >= 8) {
            count -= 8;
            buf_add_char(out, (char)(bits >> count));
            bits &= (1u << count) - 1;
        }
    }
    if (count == 6) { /* one digit alone is no byte */
        buf_truncate(out, start);
        return false;
    }
    return true;
}

void hex_encode(struct buf *out, const uint8_t *data, size_t len)
{
    static const char hex_digits[] = "0123456789abcdef";

    for (size_t i = 0; i < len; i++) {
        buf_add_char(out, hex_digits[data[i] >> 4]);
        buf_add_char(out, hex_digits[data[i] & 15]);
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool hex_decode(struct buf *out, struct str text)
{
    size_t start = out->len;

    if (text.len % 2 != 0)
        return false;
    for (size_t i = 0; i < text.len; i += 2) {
        int high = hex_digit(text.data[i]), low = hex_digit(text.data[i + 1]);

        if (high < 0 || low < 0) {
            buf_truncate(out, start);
            return false;
        }
        buf_add_char(out, (char)(high << 4 | low));
    }
    return true;
}
