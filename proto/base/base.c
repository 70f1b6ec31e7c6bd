/* base.c - the stop on a bug, and memory that is there or stops the process. */
#include "proto/base/base.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void
check_failed(const char *cond, const char *file, int line)
{
    fprintf(stderr, "radpost: bug: %s at %s:%d\n", cond, file, line);
    abort();
}

void
mem_stop(void)
{
    static const char words[] = "radpost: out of memory: the process stops\n";
    ssize_t ignored = write(STDERR_FILENO, words, sizeof words - 1);

    (void)ignored;
    _exit(MEM_EXIT);
}

void *
mem_new(size_t size_bytes)
{
    void *p = calloc(1, size_bytes ? size_bytes : 1);

    if (p == NULL)
        mem_stop();
    return p;
}

void *
mem_grow(void *old, size_t size_bytes)
{
    void *p = realloc(old, size_bytes ? size_bytes : 1);

    if (p == NULL)
        mem_stop();
    return p;
}

char *
mem_text(const char *text)
{
    char *p = NULL;

    if (text != NULL) {
        p = strdup(text);
        if (p == NULL)
            mem_stop();
    }
    return p;
}

char *
mem_printf(const char *format, ...)
{
    char *text = NULL;
    va_list args;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        mem_stop();
    va_end(args);
    return text;
}
