/* libpq and libwebsockets are not here: to them it is a connection that fails, and is tried again.
 * curl is: without memory it forgets to set its timer, and a transfer then stays for ever. */
#include "cli/memory.h"

#include <curl/curl.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <orcania.h>
#include <stdlib.h>
#include <uv.h>

#include "base/mem.h"

static void *resize(void *old, size_t size)
{
    return mem_grow(old, size, 1);
}

static void *openssl_malloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return mem_block(size);
}

static void *openssl_realloc(void *old, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return resize(old, size);
}

static void openssl_free(void *block, const char *file, int line)
{
    (void)file;
    (void)line;
    free(block);
}

void memory_of_libraries(void)
{
    json_set_alloc_funcs(mem_block, free);
    o_set_alloc_funcs(mem_block, resize, free); /* of rhonabwy */
    (void)!CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free);
    (void)!curl_global_init_mem(CURL_GLOBAL_DEFAULT, mem_block, free, resize, mem_strdup,
                                mem_array);
    (void)!uv_replace_allocator(mem_block, resize, mem_array, free);
}
