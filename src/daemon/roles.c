#include "daemon/roles.h"

static const struct {
    const char *name;
    unsigned roles;
} names[] = {{"all", ROLE_ALL},
             {"pipeline", ROLE_PIPELINE},
             {"dispatch", ROLE_DISPATCH},
             {"jobs", ROLE_JOBS}};

static enum result add(struct str name, unsigned *roles, struct err *err)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (str_eq(name, str_c(names[i].name))) {
            *roles |= names[i].roles;
            return OK;
        }
    }
    return err_set(err, "\"%.*s\" is no role; give all, or some of pipeline,dispatch,jobs",
                   name.len > 40 ? 40 : (int)name.len, name.data);
}

enum result roles_parse(struct str text, unsigned *roles, struct err *err)
{
    struct str name, rest = text;

    *roles = 0;
    while (str_split(rest, ',', &name, &rest))
        if (add(str_trim(name), roles, err) != OK)
            return FAILED;
    return add(str_trim(name), roles, err);
}
