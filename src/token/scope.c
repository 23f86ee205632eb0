#include "token/scope.h"

#include <jansson.h>
#include <string.h>

#define ALL_USES (SCOPE_REALTIME | SCOPE_BROADCAST | SCOPE_TOKEN | SCOPE_ADMIN)

static const struct {
    const char *word;
    unsigned means;
} words[] = {
    {"realtime", SCOPE_REALTIME},
    {"broadcast", SCOPE_BROADCAST},
    {"token", SCOPE_TOKEN},
    {"admin", SCOPE_ADMIN},
    {"service_role", SCOPE_IS_SERVICE_ROLE},
    {"*", SCOPE_IS_EVERYTHING | ALL_USES},
};

static unsigned meaning(const char *word)
{
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (strcmp(word, words[i].word) == 0)
            return words[i].means;
    return 0;
}

bool scopes_parse(struct str json, unsigned *out)
{
    json_t *list = json_loadb(json.data, json.len, 0, NULL);
    bool sane = json_is_array(list);
    json_t *item;
    size_t i;

    *out = SCOPE_KEY;
    json_array_foreach(list, i, item)
    {
        sane = sane && json_is_string(item);
        if (sane)
            *out |= meaning(json_string_value(item));
    }
    json_decref(list);
    return sane;
}

const char *scope_name(enum scope scope)
{
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (words[i].means == (unsigned)scope)
            return words[i].word;
    return "";
}
