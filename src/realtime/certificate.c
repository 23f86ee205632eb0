#include "realtime/certificate.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/stat.h>
#include <time.h>

static enum result openssl_failed(struct err *err, const char *file, const char *what)
{
    char text[256];

    ERR_error_string_n(ERR_peek_last_error(), text, sizeof(text));
    ERR_clear_error();
    return err_set(err, "%s: %s (%s)", file, what, text);
}

static enum result read_expiry(SSL_CTX *context, const char *file, int64_t *expires,
                               struct err *err)
{
    struct tm tm;

    if (!ASN1_TIME_to_tm(X509_get0_notAfter(SSL_CTX_get0_certificate(context)), &tm))
        return openssl_failed(err, file, "its end cannot be read");
    *expires = timegm(&tm);
    return OK;
}

static enum result try_pair(SSL_CTX *context, const char *cert_file, const char *key_file,
                            int64_t *expires, struct err *err)
{
    if (SSL_CTX_use_certificate_chain_file(context, cert_file) != 1)
        return openssl_failed(err, cert_file, "no certificate chain in PEM form can be read there");
    if (SSL_CTX_use_PrivateKey_file(context, key_file, SSL_FILETYPE_PEM) != 1)
        return openssl_failed(err, key_file,
                              "no private key in PEM form that fits the certificate can be read "
                              "there");
    if (SSL_CTX_check_private_key(context) != 1)
        return openssl_failed(err, key_file, "is not the key of the certificate");
    return read_expiry(context, cert_file, expires, err);
}

enum result certificate_check(const char *cert_file, const char *key_file, int64_t *expires,
                              struct err *err)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    enum result result;

    if (!context)
        return openssl_failed(err, cert_file, "no memory");
    result = try_pair(context, cert_file, key_file, expires, err);
    SSL_CTX_free(context);
    return result;
}

static uint64_t version_of(const char *file)
{
    struct stat st;

    if (stat(file, &st) != 0)
        return 0;
    return (uint64_t)st.st_ino * 1000003 ^ (uint64_t)st.st_size * 8191 ^
           (uint64_t)st.st_mtim.tv_sec * 1000000007 ^ (uint64_t)st.st_mtim.tv_nsec;
}

uint64_t certificate_version(const char *cert_file, const char *key_file)
{
    uint64_t cert = version_of(cert_file), key = version_of(key_file);

    return cert && key ? cert * 31 + key : 0;
}
