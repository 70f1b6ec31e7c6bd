/* his_world.c - one read with all its documents, as the line from the centre brings them. */
#include "tests/support/his_world.h"

#include "gateway/desk/his_out.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/dicom/part10.h"
#include "proto/dicom/write.h"
#include "proto/trust/digest.h"
#include "tests/support/his_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#define SR_CLASS "1.2.840.10008.5.1.4.1.1.88.11"
#define PDF_CLASS "1.2.840.10008.5.1.4.1.1.104.1"

struct his_world his;
static uint64_t seq;

void
his_owe(void)
{
    bool is_new;
    struct err err;

    assert_int_equal(his_book_owe(book, his.targets.bits, &is_new, &err), 0);
}

void
his_configure(bool has_hl7, bool has_dicom, bool has_folder)
{
    struct err err;

    snprintf(his.hl7_place, sizeof his.hl7_place, "127.0.0.1:%u", his_peer_port());
    his.settings = (struct his_settings){.dicom = has_dicom ? his.dicom_place : "",
                                         .dicom_calling = "RADPOST",
                                         .hl7 = has_hl7 ? his.hl7_place : "",
                                         .hl7_charset = "GB18030",
                                         .hl7_application = "HIS",
                                         .hl7_facility = "HOSP",
                                         .our_facility = "CLINIC",
                                         .hl7_has_pdf = true,
                                         .hl7_wait_ms = 10000,
                                         .folder = has_folder ? his.folder : "",
                                         .folder_format = "json"};
    assert_int_equal(his_targets_read(&his.settings, &his.targets, &err), 0);
}

void
his_world_begin(void)
{
    log_set_fd(-1);
    snprintf(his.folder, sizeof his.folder, "%s/his", book_dir);
    assert_int_equal(mkdir(his.folder, 0750), 0);
    seq = 0;
    his.read = HIS_READ;
    his.study = HIS_STUDY;
    his_configure(true, false, false);
    his_owe(); /* the first start */
}

int
his_world_open(void **state)
{
    assert_int_equal(book_world_open(state), 0);
    his_peer_start(HIS_PEER_AA);
    his_world_begin();
    return 0;
}

int
his_world_close(void **state)
{
    clock_unfake();
    his_peer_stop();
    return book_world_close(state);
}

/* ---- from the centre ---- */

void
his_hear(enum clinic_down_kind kind, uint32_t version, bool is_preliminary, const char *reason)
{
    struct clinic_down m = {.seq = ++seq,
                            .kind = kind,
                            .at_us = 1,
                            .read = his.read,
                            .patient = HIS_NAME,
                            .modality = "CT",
                            .state = "signed",
                            .version = version,
                            .is_preliminary = is_preliminary,
                            .signed_at_us = INT64_C(1795307400) * 1000000,
                            .author = "李明",
                            .reviewer = "赵敏",
                            .hospital = "县医院",
                            .verify_url = "https://reader.example/v/1",
                            .covers = 2,
                            .present = 2};
    struct clinic_downs downs = {.messages = &m, .count = 1, .next = seq};
    struct err err;

    clinic_id_new(m.id);
    (void)text_copy(m.study, sizeof m.study, his.study);
    (void)text_copy(m.reason, sizeof m.reason, reason);
    assert_int_equal(book_take(book, &downs, &err), 0);
}

void
his_put(uint32_t version, const char *kind, const void *bytes, size_t n)
{
    uint8_t sha256[DIGEST_BYTES];
    struct err err;

    digest_bytes(bytes, n, sha256);
    if (kind[0] == '\0') {
        uint32_t due_version;
        int64_t due_read;
        bool is_due;

        assert_int_equal(book_pdf_due(book, &is_due, &due_read, &due_version, &err), 0);
        assert_int_equal(book_pdf_put(book, his.read, version, bytes, n, sha256, &err), 0);
        return;
    }
    assert_int_equal(his_document_put(book, his.read, version, kind, bytes, n, sha256, &err), 0);
}

/* A DICOM object as small as one can be. */
static void
put_object(uint32_t version, const char *kind, const char *sop_class)
{
    char uid[65];
    struct dcm_writer w;
    struct buf file;
    struct err err;

    snprintf(uid, sizeof uid, "1.2.840.5.%s.%u",
             sop_class == NULL ? "0"
             : kind[0] == 's'  ? "1"
                               : "2",
             version);
    buf_init(&file, 1 << 20);
    assert_int_equal(part10_head(&file, sop_class, uid, DCM_UID_EXPLICIT_LE, NULL, &err), 0);
    dcm_write_init(&w, &file, DCM_EXPLICIT_LE);
    dcm_write_text(&w, 0x00080005, "CS", "ISO_IR 192");
    dcm_write_text(&w, 0x00080016, "UI", sop_class);
    dcm_write_text(&w, 0x00080018, "UI", uid);
    dcm_write_text(&w, 0x00080050, "SH", "ACC1");
    dcm_write_text(&w, 0x00100010, "PN", HIS_NAME);
    dcm_write_text(&w, 0x00100020, "LO", "P1");
    dcm_write_text(&w, 0x0020000D, "UI", his.study);
    dcm_write_text(&w, 0x0020000E, "UI", "1.2.3");
    his_put(version, kind, file.bytes, file.n);
    buf_fini(&file);
}

void
his_fetch(uint32_t version)
{
    char *pdf = mem_printf("%%PDF-1.4 version %u\nstartxref\n%%%%EOF\n", version);
    char *text = mem_printf("{\"exam\":\"胸部平扫\",\"findings\":\"左肺|结节^1\\n右肺清晰\","
                            "\"impression\":\"第%u版\",\"patient\":{\"id\":\"P1\",\"sex\":\"M\","
                            "\"birth\":\"19700101\",\"name\":\"x\"},\"study\":{\"accession\":"
                            "\"ACC1\",\"date\":\"20261122\",\"time\":\"083000\"}}",
                            version);

    his_owe();
    his_put(version, "", pdf, strlen(pdf));
    his_put(version, "text", text, strlen(text));
    put_object(version, "sr", SR_CLASS);
    put_object(version, "pdf", PDF_CLASS);
    free(text);
    free(pdf);
}

void
his_report(enum clinic_down_kind kind, uint32_t version, const char *reason)
{
    his_hear(kind, version, false, reason);
    his_fetch(version);
}

/* ---- to the HIS ---- */

bool
his_step(enum his_target target, bool *is_down)
{
    struct err err;
    bool did = false, down = false;

    his_owe();
    assert_int_equal(his_out_mend(book, target, &err), 0);
    assert_int_equal(his_out_step(&his.targets, book, target, HIS_WAIT_MS, &did, &down, &err), 0);
    if (is_down != NULL)
        *is_down = down;
    return did;
}

struct his_delivery
his_delivery(enum his_target target, uint32_t version, bool is_withdrawal)
{
    struct his_delivery *list = NULL, found = {.n = 0};
    size_t n = 0;
    struct err err;

    assert_int_equal(his_book_list(book, 100, &list, &n, &err), 0);
    for (size_t i = 0; i < n; i++)
        if (list[i].target == target && list[i].version == version &&
            list[i].is_withdrawal == is_withdrawal)
            found = list[i];
    free(list);
    assert_true(found.n > 0);
    return found;
}

void
his_again(int64_t n)
{
    struct err err;

    assert_int_equal(his_book_step(book, n, HIS_SAW_AGAIN, "anna", 0, &err), 0);
}
