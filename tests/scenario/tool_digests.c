/* tool_digests - our own digests of Part 10 files, one JSON line a file, for comparison with the
 * judge (tests/support/digests.py), which shares no code with this. As the gateway does it: by
 * codec workers. tool_digests FILE...               digests tool_digests --json FILE... DICOM JSON
 * instead tool_digests --encode DIR FILE...  code in layers, prove, write DIR/0.dcm, DIR/1.dcm, ...
 * what may be coded, with recipe (0.recipe) and layout (0.layout); --encode-fast: in JPEG-LS */
#include "proto/base/durable.h"
#include "proto/base/jsonw.h"
#include "proto/codec/codec.h"
#include "proto/dicom/dcmjson.h"
#include "proto/dicom/facts.h"
#include "proto/trust/digest.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int
open_source(const char *path, struct codec_source *out, struct err *err)
{
    struct stat st;

    *out = (struct codec_source){.fd = open(path, O_RDONLY | O_CLOEXEC)};
    if (out->fd < 0 || fstat(out->fd, &st) < 0)
        return err_sys(err, ERR_NOT_FOUND, "open");
    out->size = (uint64_t)st.st_size;
    return 0;
}

static int
digest_source(struct codec_pool *pool, const struct codec_source *source, struct jsonw *w,
              struct err *err)
{
    struct dcm_facts *facts = mem_new(sizeof *facts);
    struct dcm_digests digests;
    int rc = codec_inspect(pool, source, facts, &digests, err);

    if (rc == 0) {
        jsonw_text(w, "syntax", facts->transfer_syntax);
        jsonw_hex(w, "pixels", digests.pixels, sizeof digests.pixels);
        jsonw_hex(w, "dataset", digests.dataset, sizeof digests.dataset);
        jsonw_uint(w, "from", digests.pixels_from);
    }
    free(facts);
    return rc;
}

/* Write a coded file out. */
static int
save(const struct codec_result *result, const char *dir, unsigned number, struct err *err)
{
    void *bytes = mmap(NULL, result->coded_size, PROT_READ, MAP_PRIVATE, result->coded_fd, 0);
    char name[32];
    struct buf layout;
    int rc;

    if (bytes == MAP_FAILED)
        return err_sys(err, ERR_FATAL, "map");
    snprintf(name, sizeof name, "%u.dcm", number);
    rc = durable_put_file(dir, name, bytes, result->coded_size, err);
    munmap(bytes, result->coded_size);
    snprintf(name, sizeof name, "%u.recipe", number);
    if (rc == 0)
        rc = durable_put_file(dir, name, result->recipe, result->recipe_n, err);
    buf_init(&layout, 1 << 20);
    layout_write(result->layout, &layout);
    snprintf(name, sizeof name, "%u.layout", number);
    if (rc == 0)
        rc = durable_put_file(dir, name, layout.bytes, layout.n, err);
    buf_fini(&layout);
    return rc;
}

static struct codec_policy policy = {.coding = CODEC_LAYERS};

static int
encode_source(struct codec_pool *pool, const struct codec_source *source, const char *dir,
              unsigned number, struct jsonw *w, struct err *err)
{
    struct codec_result result = {.coded_fd = -1};
    struct codec_source coded;
    struct dcm_digests digests;
    uint8_t received[DIGEST_BYTES];
    int rc = -1;

    if (codec_inspect(pool, source, NULL, &digests, err) < 0 ||
        digest_file(source->fd, 0, source->size, received, err) < 0 ||
        codec_encode(pool, source, &policy, &result, err) < 0)
        goto out;
    if (result.coded_fd < 0) {
        jsonw_text(w, "why_not", result.why_not);
        rc = 0;
        goto out;
    }
    coded = (struct codec_source){.fd = result.coded_fd,
                                  .size = result.coded_size,
                                  .recipe = result.recipe,
                                  .recipe_n = result.recipe_n};
    if (codec_prove(pool, &coded,
                    &(struct codec_claim){&digests, received, result.layout, result.made_by},
                    err) < 0 ||
        save(&result, dir, number, err) < 0)
        goto out;
    jsonw_uint(w, "coded", number);
    jsonw_uint(w, "recipe", result.recipe_n);
    rc = 0;
out:
    codec_result_fini(&result);
    return rc;
}

static void
print_file(struct codec_pool *pool, const char *path, const char *dir, unsigned number)
{
    struct codec_source source;
    struct jsonw w;
    struct buf line;
    struct err err;

    buf_init(&line, 1 << 16);
    jsonw_init(&w, &line);
    jsonw_object(&w, NULL);
    jsonw_text(&w, "file", path);
    if (open_source(path, &source, &err) < 0 ||
        (dir == NULL ? digest_source(pool, &source, &w, &err)
                     : encode_source(pool, &source, dir, number, &w, &err)) < 0)
        jsonw_text(&w, "error", err.text);
    jsonw_end(&w);
    puts(buf_text(&line));
    buf_fini(&line);
    if (source.fd >= 0)
        close(source.fd);
}

static void
print_json(const char *path)
{
    static const struct dcm_json_options options = {.bulk_prefix = "bulk", .inline_bytes = 1024};
    uint8_t *bytes = NULL;
    struct jsonw w;
    struct buf line;
    struct err err;
    size_t n = 0;

    buf_init(&line, 1u << 28);
    jsonw_init(&w, &line);
    if (durable_get_file(path, 1u << 30, &bytes, &n, &err) < 0 ||
        dcm_json_write(bytes, n, &options, &w, &err) < 0) {
        buf_clear(&line);
        jsonw_init(&w, &line);
        jsonw_object(&w, NULL);
        jsonw_text(&w, "error", err.text);
        jsonw_end(&w);
    }
    puts(buf_text(&line));
    buf_fini(&line);
    free(bytes);
}

static int
make_folder(const char *dir, struct err *err)
{
    char *tmp = mem_printf("%s/tmp", dir);
    int rc = durable_mkdir(dir, err) < 0 ? -1 : durable_mkdir(tmp, err);

    free(tmp);
    return rc;
}

int
main(int argc, char **argv)
{
    struct codec_pool *pool = NULL;
    const char *dir = NULL;
    struct err err;
    int status, first = 1;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    if (argc > 1 && strcmp(argv[1], "--json") == 0) {
        for (int i = 2; i < argc; i++)
            print_json(argv[i]);
        return 0;
    }
    if (argc > 2 && strncmp(argv[1], "--encode", 8) == 0) {
        if (strcmp(argv[1], "--encode-fast") == 0)
            policy.coding = CODEC_FAST;
        dir = argv[2];
        first = 3;
    }
    if ((dir != NULL && make_folder(dir, &err) < 0) || codec_pool_new(2, &pool, &err) < 0) {
        fprintf(stderr, "tool_digests: %s\n", err.text);
        return 1;
    }
    for (int i = first; i < argc; i++)
        print_file(pool, argv[i], dir, (unsigned)(i - first));
    codec_pool_free(&pool);
    return 0;
}
