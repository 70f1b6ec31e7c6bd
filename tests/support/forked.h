/* forked.h - tools whose work is done again and again in forks of one process, so that a test can
 * let each call of it fail once without starting it anew: what a start does is then done once.
 * tests/crash/fork_server.c, grid.py. */
#ifndef RADPOST_TESTS_FORKED_H
#define RADPOST_TESTS_FORKED_H

#include <dlfcn.h>
#include <stddef.h>

/* Called from main(), with what main() does: by itself, and when fork_server.so was loaded first
 * and wants its forks made here, for each request in a fork. warm is what the forks need not do
 * again. */
static inline int
forked_run(int argc, char **argv, int (*run)(int, char **), void (*warm)(void))
{
    int (*serve)(char *program, int (*run)(int, char **));

    *(void **)&serve = dlsym(RTLD_DEFAULT, "fork_serve_here");
    if (serve == NULL || argc > 1)
        return run(argc, argv);
    warm();
    return serve(argv[0], run);
}

#endif
