/* codec_workers.h - a pool of codec workers for all tests of a program, whose main() begins with
 * codec_worker_main_if_asked(). cmocka tests. */
#ifndef RADPOST_TESTS_SUPPORT_CODEC_WORKERS_H
#define RADPOST_TESTS_SUPPORT_CODEC_WORKERS_H

#include "proto/codec/codec.h"

extern struct codec_pool *codec_workers;

/* Around the group. */
int codec_workers_start(void **state);
int codec_workers_stop(void **state);

#endif
