/* What libraries do without memory. */
#ifndef PGHERALD_CLI_MEMORY_H
#define PGHERALD_CLI_MEMORY_H

/* Lets the libraries whose failures cannot be told from those of what they are given (a rule that
 * is no JSON, a signature that is none, a token that is refused), or that would abort, allocate as
 * we do: what they ask for is had, or the process ends. First of all in main(). */
void memory_of_libraries(void);

#endif
