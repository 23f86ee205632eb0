/* Giving up root. */
#ifndef PGHERALD_DAEMON_PRIVILEGES_H
#define PGHERALD_DAEMON_PRIVILEGES_H

#include "base/err.h"

/* Becomes `user` (its primary group, its groups, no capability) if the process is root, and makes
 * sure that no program started later gains anything back. An empty `user` stays who it is, with a
 * warning as root. For anyone but root a `user` other than himself is an error. Call before any
 * thread. */
enum result privileges_drop(const char *user, struct err *err) MUST_CHECK;

#endif
