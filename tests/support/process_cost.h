/* process_cost.h - what a running process costs, for the benches. */
#ifndef RADPOST_TESTS_PROCESS_COST_H
#define RADPOST_TESTS_PROCESS_COST_H

#include <stdint.h>
#include <sys/types.h>

/* Resident memory; 0: it is gone. */
uint64_t process_resident_kib(pid_t pid);
/* Of it and its children now alive, as the service and its codec workers. */
double process_cpu_seconds(pid_t pid);

#endif
