/* base.h - words that every module uses: compiler marks, CHECK, TAKE, array length.
 * Threads: nothing here keeps state. */
#ifndef RADPOST_BASE_BASE_H
#define RADPOST_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The result says whether the work was done: it may not be dropped. */
#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_at, first_at) __attribute__((format(printf, format_at, first_at)))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Stop the process on a bug of ours; stays on in production. Never fed with unvetted input. */
#define CHECK(cond) ((cond) ? (void)0 : check_failed(#cond, __FILE__, __LINE__))
__attribute__((noreturn)) void check_failed(const char *cond, const char *file, int line);

/* Take the object out of a variable: the variable is NULL afterwards. */
#define TAKE(x)                                                                                    \
    __extension__({                                                                                \
        __typeof__(x) take_tmp_ = (x);                                                             \
        (x) = NULL;                                                                                \
        take_tmp_;                                                                                 \
    })

/* Sums of lengths from outside: false when the result does not fit. */
static inline MUST_CHECK bool
size_add(size_t a, size_t b, size_t *out_sum)
{
    return !__builtin_add_overflow(a, b, out_sum);
}

static inline MUST_CHECK bool
size_mul(size_t a, size_t b, size_t *out_product)
{
    return !__builtin_mul_overflow(a, b, out_product);
}

/* Memory or stop: running out of memory is not an input anyone can answer. Sizes are vetted first.
 * The process says so in a line and ends in order of its own, exit status MEM_EXIT, without running
 * anything more (crash-only: what was acknowledged is durable, and the next start goes on there).
 * docs/decisions/memory.md */
#define MEM_EXIT 75
__attribute__((noreturn)) void mem_stop(void);
void *mem_new(size_t size_bytes);             /* zeroed */
void *mem_grow(void *old, size_t size_bytes); /* realloc */
char *mem_text(const char *text);             /* strdup; NULL stays NULL */
__attribute__((format(printf, 1, 2))) char *mem_printf(const char *format, ...);

#ifdef __cplusplus
}
#endif
#endif
