#include "realtime/identity.h"

#include "base/map.h"

static enum result check_role(struct core *core, const char *role, bool needs_database,
                              struct err *err)
{
    switch (core->check_role(core->check_role_arg, role)) {
    case RLS_ROLE_YES:
        return OK;
    case RLS_ROLE_NO:
        return err_set(err,
                       "Unauthorized: There is no role \"%s\" that clients of this server may have",
                       role);
    case RLS_ROLE_UNKNOWN:
        if (!needs_database)
            return OK;
        return err_set(err, "InitializingProjectConnection: The database cannot be asked right "
                            "now who may read its rows, try again");
    }
    return FAILED;
}

enum result identify_token(struct core *core, const struct token *token, bool needs_database,
                           struct identity *out, struct err *err)
{
    if (check_role(core, token->role, needs_database, err) != OK)
        return FAILED;
    out->session = session_get(&core->sessions, token);
    out->expires = token->expires;
    out->signer = token->signer;
    return OK;
}

enum result identify(struct core *core, struct str text, const struct token *fallback,
                     bool needs_database, struct identity *out, struct err *err)
{
    const struct authority *authority = &core->authority;
    struct token *token = NULL;
    enum access access =
        text.len > 0
            ? authority_identify(authority, text, SCOPE_REALTIME, moment_now(), &token, err)
            : authority_renew(authority, fallback, SCOPE_REALTIME, moment_now(), &token, err);
    enum result result;

    out->may_pass = access == ACCESS_LATER || access == ACCESS_UNKNOWN_KEY;
    if (access != ACCESS_GRANTED)
        return FAILED;
    out->token_hash = hash_more(0, text);
    result = identify_token(core, token ? token : fallback, needs_database, out, err);
    token_free(token);
    return result;
}

void identity_assume(struct channel *channel, const struct identity *identity)
{
    channel_set_session(channel, identity->session);
    channel->expires = identity->expires;
    channel->signer = identity->signer;
    channel->token_hash = identity->token_hash;
}
