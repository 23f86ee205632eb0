/* The certificate and key of the listener's own TLS. This module and the dispatcher's are the only
 * ones that include OpenSSL. */
#ifndef PGHERALD_REALTIME_CERTIFICATE_H
#define PGHERALD_REALTIME_CERTIFICATE_H

#include "base/err.h"
#include "base/str.h"

/* Whether the PEM files hold a chain and the key of its first certificate, such as a server can
 * use. *expires gets when that certificate ends, seconds since 1970. */
enum result certificate_check(const char *cert_file, const char *key_file, int64_t *expires,
                              struct err *err) MUST_CHECK;

/* A number that changes when either file was replaced or written to; 0 if one cannot be looked at.
 */
uint64_t certificate_version(const char *cert_file, const char *key_file);

#endif
