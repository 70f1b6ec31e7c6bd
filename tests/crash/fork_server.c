/* fork_server.c - runs an unmodified program again and again without starting it again: for tests
 * that let each call of it fail once. As a library that is loaded first (LD_PRELOAD) it stops the
 * program where main() would begin, and for each request from standard input forks a child that
 * goes on into main() with the request's arguments. request   a line of arguments parted by tabs
 *   answer    to descriptor 3: "pid N", and when the child is gone "end STATUS" as wait(2) tells it
 * FORK_SERVER=leave: nothing is served, the program ends with status 0 where main() would begin.
 * The server allocates nothing, so that what is counted is the program's own. Built and driven by
 * grid.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINE = 4096, WORDS = 64, ANSWERS = 3 };

typedef int (*main_function)(int, char **, char **);

int fork_serve_here(char *program, int (*run)(int, char **));

static main_function real_main;
static char **environment;

static int
read_request(char *line)
{
    int n = 0;

    while (n < LINE - 1 && read(STDIN_FILENO, line + n, 1) == 1 && line[n] != '\n')
        n++;
    if (n == LINE - 1 || n == 0)
        return -1;
    line[n] = '\0';
    return 0;
}

static void
answer(const char *word, int number)
{
    char line[64];
    int n = snprintf(line, sizeof line, "%s %d\n", word, number);

    if (write(ANSWERS, line, (size_t)n) != n)
        _exit(1);
}

static int
run(char *program, char *line, int (*inside)(int, char **))
{
    char *argv[WORDS + 1] = {program};
    int argc = 1, nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(nothing, STDIN_FILENO);
    close(nothing);
    close(ANSWERS);
    for (char *word = line; word != NULL && argc < WORDS; argc++) {
        argv[argc] = word;
        word = strchr(word, '\t');
        if (word != NULL)
            *word++ = '\0';
    }
    return inside != NULL ? inside(argc, argv) : real_main(argc, argv, environment);
}

int
fork_serve_here(char *program, int (*inside)(int, char **))
{
    static char line[LINE];

    prctl(PR_SET_PDEATHSIG, SIGKILL); /* none outlives whoever drives it */
    answer("ready", 0);
    while (read_request(line) == 0) {
        pid_t pid = fork();
        int status = 0;

        if (pid == 0)
            return run(program, line, inside);
        answer("pid", pid);
        if (pid < 0 || waitpid(pid, &status, 0) != pid)
            _exit(1);
        answer("end", status);
    }
    _exit(0);
}

static int
serve(int argc, char **argv, char **env)
{
    const char *where = getenv("FORK_SERVER");

    environment = env;
    if (where != NULL && strcmp(where, "inside") == 0)
        return real_main(argc, argv, env);
    return fork_serve_here(argv[0], NULL);
}

/* What the program's own start calls to reach its main(). */
int __libc_start_main(main_function start, int argc, char **argv, void (*init)(void),
                      void (*fini)(void), void (*rtld_fini)(void), void *stack_end);

int
__libc_start_main(main_function start, int argc, char **argv, void (*init)(void),
                  void (*fini)(void), void (*rtld_fini)(void), void *stack_end)
{
    int (*real)(main_function, int, char **, void (*)(void), void (*)(void), void (*)(void),
                void *);

    *(void **)&real = dlsym(RTLD_NEXT, "__libc_start_main");
    real_main = start;
    return real(serve, argc, argv, init, fini, rtld_fini, stack_end);
}
