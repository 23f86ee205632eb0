#include "decode/decoder.h"

#include "decode/internal.h"

enum result decoder_read(struct decoder *decoder, struct str message, struct err *err)
{
    return decoder->ops->read(decoder, message, err);
}

bool decoder_next(struct decoder *decoder, struct change *out)
{
    return decoder->ops->next(decoder, out);
}

bool decoder_lacks_key(const struct decoder *decoder)
{
    return decoder->ops->lacks_key && decoder->ops->lacks_key(decoder);
}

void decoder_set_keys(struct decoder *decoder, struct table_keys *keys)
{
    if (decoder->ops->set_keys)
        decoder->ops->set_keys(decoder, keys);
    else
        table_keys_free(keys);
}

void decoder_free(struct decoder *decoder)
{
    if (decoder)
        decoder->ops->free(decoder);
}
