/* echo.h - the far end of a stream that says what it hears. */
#ifndef RADPOST_TESTS_SUPPORT_ECHO_H
#define RADPOST_TESTS_SUPPORT_ECHO_H

/* A thread's: fd points to a descriptor in memory of its own; both are the thread's to release. */
void *echo_run(void *fd);

#endif
