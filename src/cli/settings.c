/* pgherald config: the settings as they are, or a file to start from. */
#include <stdlib.h>

#include "cli/cli.h"

int cli_settings(const struct config *config, const struct cli_args *args)
{
    struct buf out;

    buf_init(&out, 1024 * 1024);
    if (args->flags & CLI_SAMPLE)
        config_write_sample(&out);
    else
        config_write_effective(config, &out);
    fwrite(buf_str(&out).data, 1, out.len, stdout);
    buf_fini(&out);
    return EXIT_SUCCESS;
}
