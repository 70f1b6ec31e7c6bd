/* process_cost.c - from /proc. */
#include "tests/support/process_cost.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

uint64_t
process_resident_kib(pid_t pid)
{
    char path[64], line[256];
    unsigned long long kib = 0;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    f = fopen(path, "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "VmRSS: %llu", &kib) == 1)
            break;
    if (f != NULL)
        fclose(f);
    return kib;
}

static double
cpu_of(const char *pid)
{
    char path[64], text[1024];
    unsigned long user = 0, sys = 0;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%s/stat", pid);
    f = fopen(path, "r");
    if (f == NULL)
        return 0;
    if (fgets(text, sizeof text, f) != NULL && strrchr(text, ')') != NULL)
        (void)!sscanf(strrchr(text, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                      &user, &sys);
    fclose(f);
    return (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
}

double
process_cpu_seconds(pid_t pid)
{
    char path[96], own[16], children[4096] = "";
    double sum;
    FILE *f;

    snprintf(own, sizeof own, "%d", (int)pid);
    sum = cpu_of(own);
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
    f = fopen(path, "r");
    if (f != NULL && fgets(children, sizeof children, f) != NULL)
        for (char *save = NULL, *word = strtok_r(children, " \n", &save); word != NULL;
             word = strtok_r(NULL, " \n", &save))
            sum += cpu_of(word);
    if (f != NULL)
        fclose(f);
    return sum;
}
