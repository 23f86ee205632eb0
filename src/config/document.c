/* What is written from the option table: the sample, --help, the effective settings. */
#include "config/option.h"

#include <string.h>

#include "base/json.h"

static void add_help_lines(struct buf *out, const char *prefix, const char *help)
{
    struct str line, rest = str_c(help);
    bool more = true;

    while (more) {
        more = str_split(rest, '\n', &line, &rest);
        buf_addf(out, "%s%.*s\n", prefix, STR_ARG(line));
    }
}

void config_write_sample(struct buf *out)
{
    buf_add_c(out,
              "# Settings of pgherald. What to audit, notify and call is not here but in tables.\n"
              "#\n"
              "# A line is key = value; # starts a comment line. Each key can be overridden by\n"
              "# the environment variable PGHERALD_<KEY>. What is commented out below is the\n"
              "# default. Made from the option table: pgherald config --sample\n");
    for (size_t i = 0; i < option_count; i++) {
        const struct option *option = &options[i];

        if (option->group)
            buf_addf(out, "\n# ---- %s\n", option->group);
        buf_add_char(out, '\n');
        add_help_lines(out, "# ", option->help);
        buf_add_c(out, "# Allowed: ");
        option_describe(option, out);
        buf_addf(out, ".%s\n", option->reloadable ? " SIGHUP applies it." : "");
        buf_addf(out, "#%s =%s%s\n", option->name, *option->standard ? " " : "", option->standard);
    }
}

void config_write_help(struct buf *out)
{
    for (size_t i = 0; i < option_count; i++) {
        const struct option *option = &options[i];

        buf_addf(out, "  %s", option->name);
        if (*option->standard)
            buf_addf(out, " = %s", option->standard);
        buf_add_char(out, '\n');
        add_help_lines(out, "      ", option->help);
        buf_add_c(out, "      Allowed: ");
        option_describe(option, out);
        buf_add_c(out, ".\n");
    }
}

void config_write_effective(const struct config *config, struct buf *out)
{
    for (size_t i = 0; i < option_count; i++) {
        buf_addf(out, "%s = ", options[i].name);
        option_write(&options[i], config, out);
        buf_add_char(out, '\n');
    }
}

static void write_member(const struct option *option, const struct config *config, struct buf *out)
{
    struct buf text;

    buf_init(&text, out->max);
    option_write(option, config, &text);
    json_add_string(out, buf_str(&text));
    buf_fini(&text);
}

void config_write_json(const struct config *config, struct buf *out)
{
    for (size_t i = 0; i < option_count; i++) {
        buf_addf(out, "%c\"%s\":", i ? ',' : '{', options[i].name);
        write_member(&options[i], config, out);
    }
    buf_add_char(out, '}');
}

void config_write_changes(const struct config *before, const struct config *after, bool reloadable,
                          struct buf *out)
{
    const char *separator = "{";

    for (size_t i = 0; i < option_count; i++) {
        const struct option *option = &options[i];

        if (option->reloadable != reloadable || option_same(option, before, after))
            continue;
        buf_addf(out, "%s\"%s\":", separator, option->name);
        separator = ",";
        if (option->kind == OPTION_SECRET) {
            buf_add_c(out, "\"changed\"");
            continue;
        }
        buf_add_char(out, '[');
        write_member(option, before, out);
        buf_add_char(out, ',');
        write_member(option, after, out);
        buf_add_char(out, ']');
    }
    buf_add_c(out, *separator == '{' ? "{}" : "}");
}
