#define _GNU_SOURCE /* setresuid */
#include "daemon/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"

static enum result become(const struct passwd *user, struct err *err)
{
    if (initgroups(user->pw_name, user->pw_gid) != 0 ||
        setresgid(user->pw_gid, user->pw_gid, user->pw_gid) != 0 ||
        setresuid(user->pw_uid, user->pw_uid, user->pw_uid) != 0)
        return err_set(err, "run_as: could not become user \"%s\": %s", user->pw_name,
                       strerror(errno));
    /* the kernel clears the capabilities with the last uid of 0; there is no way back */
    if (setuid(0) == 0)
        return err_set(err, "run_as: user \"%s\" could become root again", user->pw_name);
    log_info("daemon", "gave up root", log_s("user", user->pw_name));
    return OK;
}

enum result privileges_drop(const char *user, struct err *err)
{
    const struct passwd *found;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        log_warn("daemon", "PR_SET_NO_NEW_PRIVS is not to be had on this kernel");
    if (!user[0]) {
        if (geteuid() == 0)
            log_warn("daemon", "running as root, which nothing here needs: set run_as, or start it "
                               "as another user");
        return OK;
    }
    errno = 0;
    found = getpwnam(user); /* no other thread is there yet */
    if (!found)
        return err_set(err, "run_as: there is no user \"%s\" on this machine%s%s", user,
                       errno ? ": " : "", errno ? strerror(errno) : "");
    if (found->pw_uid == 0)
        return err_set(err, "run_as: user \"%s\" is root", user);
    if (geteuid() == 0)
        return become(found, err);
    if (geteuid() != found->pw_uid)
        return err_set(err, "run_as: only root can become user \"%s\"; leave the setting empty",
                       user);
    return OK;
}
