/* START_REPLICATION with the plugin's options. What each option is for: docs/stream.md. */
#include "decode/followed.h"
#include "stream/stream.h"

static void add_names(struct buf *out, const struct followed_name *names)
{
    for (const struct followed_name *name = names; name->schema; name++)
        buf_addf(out, "%s%s.%s", name == names ? "" : ",", name->schema, name->table);
}

/* wal2json splits at commas and dots and knows a backslash before them. */
static void add_schema(struct buf *out, const char *schema)
{
    for (; *schema; schema++) {
        if (*schema == '\\' || *schema == ',' || *schema == '.' || *schema == '*' || *schema == ' ')
            buf_add_char(out, '\\');
        if (*schema == '\'')
            buf_add_char(out, '\'');
        buf_add_char(out, *schema);
    }
    buf_add_c(out, ".*");
}

static void add_wal2json_options(struct buf *out, const struct config *config)
{
    buf_add_c(out, "\"format-version\" '2', "
                   "\"include-xids\" 'true', "
                   "\"include-timestamp\" 'true', "
                   "\"include-lsn\" 'true', "
                   "\"include-types\" 'false', "
                   "\"include-type-oids\" 'true', "
                   "\"include-pk\" 'true', "
                   "\"include-not-null\" 'true', "
                   "\"include-transaction\" 'true', "
                   "\"add-msg-prefixes\" 'pgherald:context,pgherald:schema', "
                   "\"filter-tables\" '");
    add_names(out, followed_never);
    buf_add_c(out, "', \"add-tables\" '");
    add_names(out, followed_always);
    if (followed_has_auth_events(config))
        buf_addf(out, ",%s.%s", followed_auth_events.schema, followed_auth_events.table);
    for (size_t i = 0; i < config->schemas.count; i++) {
        buf_add_char(out, ',');
        add_schema(out, config->schemas.items[i]);
    }
    buf_add_char(out, '\'');
}

/* An identifier in quotes, inside a string. */
static void add_publication(struct buf *out, const char *name, const char *suffix)
{
    buf_add_char(out, '"');
    for (; *name; name++) {
        if (*name == '"' || *name == '\'')
            buf_add_char(out, *name);
        buf_add_char(out, *name);
    }
    buf_addf(out, "%s\"", suffix);
}

static void add_pgoutput_options(struct buf *out, const struct config *config, bool streaming)
{
    buf_add_c(out,
              streaming ? "\"proto_version\" '2', \"streaming\" 'on'" : "\"proto_version\" '1'");
    buf_add_c(out, ", \"messages\" 'true', \"publication_names\" '");
    add_publication(out, config->publication, "");
    buf_add_char(out, ',');
    add_publication(out, config->publication, PUBLICATION_OF_INSERTS);
    buf_add_char(out, '\'');
}

void stream_start_statement(struct buf *out, const struct config *config, enum config_plugin plugin,
                            bool streaming)
{
    buf_addf(out, "START_REPLICATION SLOT \"%s\" LOGICAL 0/0 (", config->slot_name);
    switch (plugin) {
    case PLUGIN_AUTO: /* the catalog has made one of the two of it */
    case PLUGIN_WAL2JSON:
        add_wal2json_options(out, config);
        break;
    case PLUGIN_PGOUTPUT:
        add_pgoutput_options(out, config, streaming);
        break;
    }
    buf_add_char(out, ')');
}
