/* Who did it: joins the message by which a transaction says who is at work to the rows of that
 * transaction. docs/audit.md has the table of sources and what each is worth.
 *
 * Rows stream out while their transaction is still being read, so a message speaks for what follows
 * it. It is judged and rendered once; a row copies the bytes. */
#ifndef PGHERALD_DAEMON_ATTRIBUTION_H
#define PGHERALD_DAEMON_ATTRIBUTION_H

#include "config/config.h"
#include "row/audit_context.h"
#include "vault/mac.h"

enum who_source {
    WHO_NONE,     /* nobody said anything */
    WHO_GATEWAY,  /* claims of a session of a gateway, which has checked the token */
    WHO_DECLARED, /* set_context() was told */
    WHO_DIRECT,   /* a session of somebody else: its login is true, its claims may be made up */
    WHO_CONFLICT, /* two actors in one transaction */
    WHO_FORGED    /* nothing but messages without a valid signature */
};

struct who {
    enum who_source source;
    bool has_actor;
    uint8_t actor[16]; /* a uuid */
};

struct attribution {
    const struct config *config;
    struct mac_key key;
    struct who who;
    bool has_forgery; /* in this transaction */
    struct buf none;  /* the fields of a row of which nobody is known */
    struct buf fields;
    size_t context_at; /* where the last of the fields begins */
    struct buf scratch;
};

/* What became of a message. */
enum attribution_verdict {
    ATTRIBUTION_TAKEN,
    ATTRIBUTION_READ,  /* taken, and the request is to be an entry of its own */
    ATTRIBUTION_FORGED /* its signature is wrong, or of another transaction */
};

void attribution_init(struct attribution *attribution, const struct config *config);
void attribution_fini(struct attribution *attribution);
void attribution_begin(struct attribution *attribution); /* of a transaction */

/* Takes the content of a message of transaction `xid`, as the stream names it. *resource gets what
 * was read, if that is the verdict, and lives until the next message. */
enum attribution_verdict attribution_take(struct attribution *attribution, struct str content,
                                          uint32_t xid, struct str *resource);

/* Whether the content of a message begins with a signature of ours; *facts is what it signs. */
bool attribution_is_signed(const struct attribution *attribution, struct str content,
                           struct str *facts);
/* A message that should have been signed was not. false: not the first of its transaction. */
bool attribution_note_forgery(struct attribution *attribution);

/* The fields user_id, ip_address, session_id, user_agent and context of a row of binary COPY. */
struct str attribution_fields(const struct attribution *attribution);
#define ATTRIBUTION_FIELDS 5

#endif
