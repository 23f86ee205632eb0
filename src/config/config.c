#include "config/config.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "config/option.h"

#define FILE_MAX_BYTES (1024 * 1024)
#define SECRET_MAX_BYTES (64 * 1024)
#define NAME_MAX_BYTES 63 /* NAMEDATALEN - 1 of PostgreSQL */
#define PUBLICATION_MAX_BYTES (NAME_MAX_BYTES + 1 - sizeof(PUBLICATION_OF_INSERTS))
#define JWT_SECRET_MIN_BYTES 32
#define KEY_SHOWN_BYTES 40 /* shorter than 32 bytes in base64 or hexadecimal */

_Static_assert(sizeof(enum log_level) == sizeof(unsigned), "OPTION_WORD writes an unsigned");
_Static_assert(sizeof(enum log_format) == sizeof(unsigned), "OPTION_WORD writes an unsigned");

/* A config on its way, and which line of the file gave each option (0: none). */
struct loading {
    struct config *config;
    const char *path;
    unsigned *given_at;
};

/* The file's content without the line's end that editors put there. */
static enum result set_from_file(const struct option *option, struct config *config,
                                 struct str path, struct err *err)
{
    char *name = str_dup(path);
    enum result result;
    struct buf content;

    buf_init(&content, SECRET_MAX_BYTES);
    result = file_read(name, &content, err);
    if (result == OK && memchr(buf_str(&content).data, '\0', content.len))
        result = err_set(err, "%s holds a NUL byte", name);
    if (result == OK)
        result = option_set(option, config, str_trim(buf_str(&content)), err);
    buf_wipe(&content);
    free(name);
    return result;
}

/* The option of a key; *from_file for the key of a secret with _file behind it. */
static const struct option *find_key(struct str key, bool *from_file)
{
    const struct option *option = option_find(key);

    *from_file = false;
    if (option || !str_ends(key, STR("_file")))
        return option;
    option = option_find(str_from(key.data, key.len - 5));
    *from_file = true;
    return option && option->kind == OPTION_SECRET ? option : NULL;
}

/* Only what may be the name of a setting: a line of a secret that was spread over several is read
 * as a key too, and must not be shown. */
static bool may_be_shown(struct str key)
{
    for (size_t i = 0; i < key.len; i++)
        if (!isalnum((unsigned char)key.data[i]) && !strchr("_-. ", key.data[i]))
            return false;
    return key.len <= KEY_SHOWN_BYTES;
}

static enum result unknown_key(struct str key, struct err *err)
{
    struct buf names;

    buf_init(&names, ERR_MAX);
    for (size_t i = 0; i < option_count; i++)
        buf_addf(&names, " %s", options[i].name);
    if (may_be_shown(key))
        err_set(err, "unknown key \"%.*s\"; allowed:%s", STR_ARG(key), buf_str(&names).data);
    else
        err_set(err, "what stands before = is no key; allowed:%s", buf_str(&names).data);
    buf_fini(&names);
    return FAILED;
}

static enum result set_pair(struct loading *loading, struct str key, struct str value,
                            unsigned line, struct err *err)
{
    bool from_file;
    const struct option *option = find_key(key, &from_file);
    unsigned *given_at;
    enum result result;

    if (!option)
        return unknown_key(key, err);
    given_at = &loading->given_at[option - options];
    if (*given_at)
        return err_set(err, "%.*s is given twice; the first is in line %u", STR_ARG(key),
                       *given_at);
    *given_at = line;
    result = from_file ? set_from_file(option, loading->config, value, err)
                       : option_set(option, loading->config, value, err);
    return result == OK ? OK : err_context(err, "%.*s", STR_ARG(key));
}

static enum result read_line(struct loading *loading, struct str text, unsigned line,
                             struct err *err)
{
    struct str key, value;

    text = str_trim(text);
    if (text.len == 0 || text.data[0] == '#' || text.data[0] == ';')
        return OK;
    if (text.data[0] == '[')
        return err_set(err, "there are no sections; a line is key = value");
    if (!str_split(text, '=', &key, &value))
        return err_set(err, "a line is key = value, or starts with # for a comment");
    return set_pair(loading, str_trim(key), str_trim(value), line, err);
}

static enum result read_lines(struct loading *loading, struct str text, struct err *err)
{
    struct str line;
    bool more = true;

    if (memchr(text.data, '\0', text.len))
        return err_set(err, "%s holds a NUL byte", loading->path);
    if (str_starts(text, STR("\xef\xbb\xbf"))) /* some editors put a byte order mark */
        text = str_from(text.data + 3, text.len - 3);
    for (unsigned number = 1; more; number++) {
        more = str_split(text, '\n', &line, &text);
        if (read_line(loading, line, number, err) != OK)
            return err_context(err, "%s, line %u", loading->path, number);
    }
    return OK;
}

static enum result apply_file(struct loading *loading, struct err *err)
{
    struct buf content;
    enum result result;

    if (!loading->path)
        return OK;
    buf_init(&content, FILE_MAX_BYTES);
    result = file_read(loading->path, &content, err);
    if (result == OK)
        result = read_lines(loading, buf_str(&content), err);
    buf_wipe(&content);
    return result;
}

/* ---------------------------------------------------------------- environment */

static const char *env_name(const struct option *option, const char *suffix, char out[128])
{
    snprintf(out, 128, "PGHERALD_%s%s", option->name, suffix);
    for (char *p = out; *p; p++)
        *p = (char)toupper((unsigned char)*p);
    return out;
}

/* Only names of the table are looked at: a container's platform may set others that start with
 * PGHERALD_ (PGHERALD_PORT for a service of that name). */
static enum result apply_env(struct config *config, struct err *err)
{
    char name[128], file_name[128];

    for (size_t i = 0; i < option_count; i++) {
        const struct option *option = &options[i];
        const char *value = getenv(env_name(option, "", name));
        const char *file =
            option->kind == OPTION_SECRET ? getenv(env_name(option, "_FILE", file_name)) : NULL;

        if (value && file)
            return err_set(err, "%s and %s are both set: leave one out", name, file_name);
        if (value && option_set(option, config, str_trim(str_c(value)), err) != OK)
            return err_context(err, "environment variable %s", name);
        if (file && set_from_file(option, config, str_c(file), err) != OK)
            return err_context(err, "environment variable %s", file_name);
    }
    return OK;
}

/* ---------------------------------------------------------------- checks */

/* Where the value of an option came from, for a message. */
static const char *source_of(const struct loading *loading, const char *key, char out[512])
{
    const struct option *option = option_find(str_c(key));
    unsigned line = loading->given_at[option - options];
    char variable[128], file_variable[128];

    if (getenv(env_name(option, "", variable)))
        snprintf(out, 512, "environment variable %s", variable);
    else if (option->kind == OPTION_SECRET && getenv(env_name(option, "_FILE", file_variable)))
        snprintf(out, 512, "environment variable %s", file_variable);
    else if (line)
        snprintf(out, 512, "%s, line %u: %s", loading->path, line, key);
    else
        snprintf(out, 512, "%s", key);
    return out;
}

static bool is_slot_name(const char *name)
{
    size_t len = strlen(name);

    return len > 0 && len <= NAME_MAX_BYTES &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == len;
}

static bool has_long_item(const struct config_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (strlen(list->items[i]) > NAME_MAX_BYTES)
            return true;
    return false;
}

static bool names_this_host(struct str authority)
{
    static const struct str hosts[] = {STR("localhost"), STR("127.0.0.1"), STR("[::1]")};

    for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++)
        if (str_starts(authority, hosts[i]) &&
            (authority.len == hosts[i].len || authority.data[hosts[i].len] == ':'))
            return true;
    return false;
}

/* Keys that came over a network without TLS may be anybody's. An @ might hide the host, and would
 * put a password in the log. */
static bool is_key_url(struct str url)
{
    bool plain = str_starts(url, STR("http://"));
    struct str authority;

    if (!plain && !str_starts(url, STR("https://")))
        return false;
    for (size_t i = 0; i < url.len; i++)
        if ((unsigned char)url.data[i] <= ' ' || (unsigned char)url.data[i] > '~' ||
            strchr("@\\\"<>^`{|}", url.data[i]))
            return false;
    authority = str_from(url.data + (plain ? 7 : 8), url.len - (plain ? 7 : 8));
    (void)str_split(authority, '/', &authority, &url);
    return authority.len > 0 && (!plain || names_this_host(authority));
}

static enum result check(const struct loading *loading, struct err *err)
{
    const struct config *config = loading->config;
    size_t secret = strlen(config->jwt_secret), publication = strlen(config->publication);
    char source[512];

    if (!is_slot_name(config->slot_name))
        return err_set(err, "%s: \"%.100s\" is not allowed: 1 to %d of the characters a-z 0-9 _",
                       source_of(loading, "slot_name", source), config->slot_name, NAME_MAX_BYTES);
    if (publication == 0 || publication > PUBLICATION_MAX_BYTES)
        return err_set(err, "%s: a name of 1 to %zu bytes is needed",
                       source_of(loading, "publication", source), PUBLICATION_MAX_BYTES);
    if (config->schemas.count == 0 || has_long_item(&config->schemas))
        return err_set(err, "%s: names of schemas are needed, each of 1 to %d bytes",
                       source_of(loading, "schemas", source), NAME_MAX_BYTES);
    if (secret > 0 && secret < JWT_SECRET_MIN_BYTES)
        return err_set(err,
                       "%s: the secret has %zu bytes; at least %d are needed, as can be had "
                       "from: openssl rand -base64 48",
                       source_of(loading, "jwt_secret", source), secret, JWT_SECRET_MIN_BYTES);
    if (!config->tls_cert_file[0] != !config->tls_key_file[0])
        return err_set(err, "%s: tls_cert_file and tls_key_file are set together or not at all",
                       source_of(loading,
                                 config->tls_cert_file[0] ? "tls_cert_file" : "tls_key_file",
                                 source));
    if (!config->webhook_client_cert_file[0] != !config->webhook_client_key_file[0])
        return err_set(
            err,
            "%s: webhook_client_cert_file and webhook_client_key_file are set together or "
            "not at all",
            source_of(loading,
                      config->webhook_client_cert_file[0] ? "webhook_client_cert_file"
                                                          : "webhook_client_key_file",
                      source));
    if (config->jwt_jwks_url[0] && !is_key_url(str_c(config->jwt_jwks_url)))
        return err_set(err,
                       "%s: https://host/path is wanted, without a password; http:// only for "
                       "localhost, 127.0.0.1 and [::1]",
                       source_of(loading, "jwt_jwks_url", source));
    if (config->listen.port == config->admin_listen.port &&
        strcmp(config->listen.host, config->admin_listen.host) == 0)
        return err_set(err, "%s: the same address as listen; they have to differ",
                       source_of(loading, "admin_listen", source));
    return OK;
}

/* ---------------------------------------------------------------- the face */

enum result config_load(const char *path, struct config **out, struct err *err)
{
    struct loading loading = {mem_alloc(sizeof(struct config)), path,
                              mem_array(option_count, sizeof(unsigned))};
    enum result result = OK;

    *out = NULL;
    for (size_t i = 0; i < option_count && result == OK; i++)
        result = option_set(&options[i], loading.config, str_c(options[i].standard), err);
    if (result == OK)
        result = apply_file(&loading, err);
    if (result == OK)
        result = apply_env(loading.config, err);
    if (result == OK)
        result = check(&loading, err);
    if (result == OK)
        *out = loading.config;
    else
        config_free(loading.config);
    free(loading.given_at);
    return result;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < option_count; i++)
        option_free(&options[i], config);
    free(config);
}

bool config_needs_restart(const struct config *running, const struct config *fresh,
                          struct buf *keys)
{
    size_t before = keys->len;

    for (size_t i = 0; i < option_count; i++) {
        if (options[i].reloadable || option_same(&options[i], running, fresh))
            continue;
        buf_addf(keys, "%s%s", keys->len > before ? "," : "", options[i].name);
    }
    return keys->len > before;
}

const char *config_address_text(const struct config_address *address, char out[128])
{
    bool v6 = strchr(address->host, ':');

    snprintf(out, 128, "%s%.100s%s:%u", v6 ? "[" : "", address->host, v6 ? "]" : "", address->port);
    return out;
}
