/* codec_workers.c - see codec_workers.h. */
#include "tests/support/codec_workers.h"

enum { WORKERS = 2 };

struct codec_pool *codec_workers;

int
codec_workers_start(void **state)
{
    struct err err = {0};

    (void)state;
    return codec_pool_new(WORKERS, &codec_workers, &err);
}

int
codec_workers_stop(void **state)
{
    (void)state;
    codec_pool_free(&codec_workers);
    return 0;
}
