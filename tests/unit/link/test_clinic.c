/* test_clinic.c - the clinic's messages there and back, and what is refused. */
#include "proto/link/clinic.h"
#include "proto/link/clinic_member.h"

#include "proto/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct clinic_up
sample_up(enum clinic_up_kind kind)
{
    struct clinic_up up = {.kind = kind,
                           .at_us = 1795000000000000,
                           .registration = "261122K7001",
                           .revision = 2,
                           .name = "王小东",
                           .citizen_id = "11010519491231002X",
                           .sex = "F",
                           .birth = "19491231",
                           .modality = "CT",
                           .complaint = "咳嗽三天",
                           .history = "高血压\n无过敏",
                           .is_urgent = true,
                           .phone = "13800138000",
                           .clinic_phone = "04318888888",
                           .study = "1.2.3.4",
                           .reason = "胸痛",
                           .otp = "123456",
                           .read = 17,
                           .version = 3,
                           .doubts = "id_sex study_old",
                           .is_confirmed = true,
                           .is_corrected = true,
                           .patient_id = "R2",
                           .outcome = "read_back",
                           .by = "张护士",
                           .images = 4,
                           .absent = "elsewhere"};

    clinic_id_new(up.id);
    clinic_id_new(up.call);
    memset(up.code_sha256, 0xA5, sizeof up.code_sha256);
    return up;
}

static struct clinic_down
sample_down(enum clinic_down_kind kind)
{
    struct clinic_down down = {.seq = 41,
                               .kind = kind,
                               .at_us = 1795000000000000,
                               .read = 17,
                               .study = "1.2.3.4",
                               .registration = "261122K7001",
                               .patient = "王小东",
                               .modality = "CT",
                               .state = "signed",
                               .version = 2,
                               .is_preliminary = true,
                               .signed_at_us = 1795000000000001,
                               .author = "李医生",
                               .reviewer = "赵医生",
                               .hospital = "县医院",
                               .verify_url = "https://p.example/v/ABC",
                               .replaces = 1,
                               .covers = 30,
                               .present = 31,
                               .looked_at_us = 1795000000000002,
                               .outcome = "read_back",
                               .answer = "明白",
                               .answered_by = "张护士",
                               .answered_at_us = 1795000000000003,
                               .reason = "左右写反",
                               .urgency = "stat",
                               .placer = "XY-2026-17",
                               .is_urgent = true,
                               .accession = "A17",
                               .patient_id = "P17",
                               .citizen_id = "11010519491231002X",
                               .sex = "F",
                               .birth = "19491231",
                               .phone = "13800138000",
                               .station = "CT-1",
                               .scheduled_at_us = 1795000600000000,
                               .description = "胸部 CT 平扫",
                               .code = "CT01",
                               .code_scheme = "99XY",
                               .referring = "钱医生",
                               .department = "呼吸科",
                               .complaint = "咳嗽",
                               .history = "高血压\n无过敏"};

    clinic_id_new(down.id);
    clinic_id_new(down.call);
    return down;
}

static void
every_kind_up_comes_back_equal(void **state)
{
    struct clinic_up messages[CLINIC_UP_KINDS];
    struct clinic_ups ups = {messages, CLINIC_UP_KINDS}, read;
    struct buf first, again;
    struct err err;

    (void)state;
    for (int kind = 0; kind < CLINIC_UP_KINDS; kind++)
        messages[kind] = sample_up((enum clinic_up_kind)kind);
    buf_init(&first, 1 << 20);
    buf_init(&again, 1 << 20);
    clinic_ups_encode(&ups, &first);
    assert_int_equal(clinic_ups_decode(first.bytes, first.n, &read, &err), 0);
    clinic_ups_encode(&read, &again);

    assert_string_equal(buf_text(&first), buf_text(&again));
    assert_int_equal(read.count, CLINIC_UP_KINDS);
    assert_string_equal(read.messages[CLINIC_REGISTRATION].name, "王小东");
    assert_string_equal(read.messages[CLINIC_REGISTRATION].history, "高血压\n无过敏");
    assert_int_equal(read.messages[CLINIC_REGISTRATION].revision, 2);
    assert_string_equal(read.messages[CLINIC_ATTACH].study, "1.2.3.4");
    assert_memory_equal(read.messages[CLINIC_SLIP].code_sha256, messages[0].code_sha256, 32);
    assert_string_equal(read.messages[CLINIC_PHONE_CHECK].otp, "123456");
    assert_int_equal(read.messages[CLINIC_CONFIRM].read, 17);
    assert_string_equal(read.messages[CLINIC_JOIN].study, "1.2.3.4");
    assert_string_equal(read.messages[CLINIC_DOUBT].doubts, "id_sex study_old");
    assert_true(read.messages[CLINIC_DOUBT].is_confirmed);
    assert_true(read.messages[CLINIC_DOUBT].is_corrected);
    assert_string_equal(read.messages[CLINIC_DOUBT].patient_id, "R2");
    assert_string_equal(read.messages[CLINIC_DOUBT].name, "王小东");
    assert_string_equal(read.messages[CLINIC_ANSWER].outcome, "read_back");
    assert_string_equal(read.messages[CLINIC_STUDY_URGENT].study, "1.2.3.4");
    assert_true(read.messages[CLINIC_STUDY_URGENT].is_urgent);
    assert_string_equal(read.messages[CLINIC_STUDY_URGENT].by, "张护士");
    assert_int_equal(read.messages[CLINIC_ABSENT].images, 4);
    assert_string_equal(read.messages[CLINIC_ABSENT].absent, "elsewhere");
    assert_string_equal(read.messages[CLINIC_ABSENT].reason, "胸痛");
    clinic_ups_free(&read);
    buf_fini(&first);
    buf_fini(&again);
}

static void
every_kind_down_comes_back_equal(void **state)
{
    struct clinic_down messages[CLINIC_DOWN_KINDS];
    struct clinic_downs downs = {.messages = messages,
                                 .count = CLINIC_DOWN_KINDS,
                                 .next = 41,
                                 .patient_url = "https://p.example",
                                 .is_cursor_lost = true,
                                 .is_told_lost = true},
                        read;
    struct buf first, again;
    struct err err;

    (void)state;
    for (int kind = 0; kind < CLINIC_DOWN_KINDS; kind++)
        messages[kind] = sample_down((enum clinic_down_kind)kind);
    buf_init(&first, 1 << 20);
    buf_init(&again, 1 << 20);
    clinic_downs_encode(&downs, &first);
    assert_int_equal(clinic_downs_decode(first.bytes, first.n, &read, &err), 0);
    clinic_downs_encode(&read, &again);

    assert_string_equal(buf_text(&first), buf_text(&again));
    assert_int_equal(read.next, 41);
    assert_true(read.is_cursor_lost);
    assert_true(read.is_told_lost);
    assert_string_equal(read.patient_url, "https://p.example");
    assert_int_equal(read.messages[CLINIC_AMENDED].replaces, 1);
    assert_int_equal(read.messages[CLINIC_LATE].present, 31);
    assert_int_equal(read.messages[CLINIC_LATE].looked_at_us, 1795000000000002);
    assert_string_equal(read.messages[CLINIC_LATE].author, "李医生");
    assert_int_equal(read.messages[CLINIC_REPORT].signed_at_us, 1795000000000001);
    assert_string_equal(read.messages[CLINIC_WITHDRAWN].reason, "左右写反");
    assert_string_equal(read.messages[CLINIC_URGENCY].urgency, "stat");
    assert_string_equal(read.messages[CLINIC_URGENCY].author, "李医生");
    assert_string_equal(read.messages[CLINIC_ORDER].placer, "XY-2026-17");
    assert_string_equal(read.messages[CLINIC_ORDER].patient, "王小东");
    assert_string_equal(read.messages[CLINIC_ORDER].history, "高血压\n无过敏");
    assert_int_equal(read.messages[CLINIC_ORDER].scheduled_at_us, 1795000600000000);
    assert_string_equal(read.messages[CLINIC_CRITICAL].outcome, "read_back");
    assert_string_equal(read.messages[CLINIC_ANSWERED].answer, "明白");
    assert_int_equal(read.messages[CLINIC_ANSWERED].answered_at_us, 1795000000000003);
    assert_int_equal(read.passed_over, 0);
    clinic_downs_free(&read);
    buf_fini(&first);
    buf_fini(&again);
}

/* A desk that was not upgraded yet goes on hearing what it knows; a broken message is refused. */
static void
a_kind_of_a_newer_centre_is_passed_over(void **state)
{
    struct clinic_down known = sample_down(CLINIC_LATE);
    struct buf one, b;
    struct clinic_downs read;
    struct err err;

    (void)state;
    buf_init(&one, 1 << 16);
    buf_init(&b, 1 << 16);
    clinic_down_encode(&known, &one);
    buf_add_printf(&b,
                   "{\"next\":9,\"patient_url\":\"\",\"messages\":[{\"kind\":\"telepathy\"},%s]}",
                   buf_text(&one));
    assert_int_equal(clinic_downs_decode(b.bytes, b.n, &read, &err), 0);
    assert_int_equal(read.count, 1);
    assert_int_equal(read.passed_over, 1);
    assert_int_equal(read.next, 9);
    assert_int_equal(read.messages[0].present, 31);
    clinic_downs_free(&read);

    buf_clear(&b);
    buf_add_text(&b, "{\"next\":9,\"patient_url\":\"\",\"messages\":[{\"kind\":\"late\"}]}");
    assert_int_equal(clinic_downs_decode(b.bytes, b.n, &read, &err), -1);
    buf_fini(&one);
    buf_fini(&b);
}

/* Of a centre that was not upgraded yet. */
static void
late_images_without_a_word_of_looking_are_unseen(void **state)
{
    static const char told[] =
        "{\"kind\":\"late\",\"seq\":7,\"id\":\"0b8f9a52-6a5e-4c6e-9d5e-0a1b2c3d4e5f\","
        "\"at_us\":1795000000000000,\"read\":17,\"study\":\"1.2.3\",\"registration\":\"\","
        "\"patient\":\"\",\"modality\":\"CT\",\"state\":\"signed\",\"version\":2,\"covers\":30,"
        "\"present\":31}";
    struct clinic_down read;
    struct err err;

    (void)state;
    assert_int_equal(clinic_down_decode((const uint8_t *)told, strlen(told), &read, &err), 0);

    assert_int_equal(read.present, 31);
    assert_int_equal(read.looked_at_us, 0);
    assert_string_equal(read.author, "");
}

static void
a_word_is_letters_digits_and_lines(void **state)
{
    (void)state;
    assert_true(clinic_is_word("read_back2"));
    assert_true(clinic_is_word(""));
    assert_false(clinic_is_word("read back"));
    assert_false(clinic_is_word("急"));
}

static void
receipts_and_ids_come_back_equal(void **state)
{
    struct clinic_receipt one = {.outcome = CLINIC_REFUSED, .word = "locked"};
    struct clinic_receipts receipts = {.receipts = &one, .count = 1, .is_told_lost = true}, read;
    char id[2][CLINIC_ID_SIZE];
    struct clinic_ids ids = {id, 2}, read_ids;
    struct buf b;
    struct err err;

    (void)state;
    clinic_id_new(one.id);
    clinic_id_new(id[0]);
    clinic_id_new(id[1]);
    buf_init(&b, 1 << 16);
    clinic_receipts_encode(&receipts, &b);
    assert_int_equal(clinic_receipts_decode(b.bytes, b.n, &read, &err), 0);
    assert_string_equal(read.receipts[0].word, "locked");
    assert_int_equal(read.receipts[0].outcome, CLINIC_REFUSED);
    buf_clear(&b);
    clinic_ids_encode(&ids, &b);
    assert_int_equal(clinic_ids_decode(b.bytes, b.n, &read_ids, &err), 0);
    assert_string_equal(read_ids.ids[1], id[1]);
    assert_string_not_equal(id[0], id[1]);
    clinic_receipts_free(&read);
    clinic_ids_free(&read_ids);
    buf_fini(&b);
}

/* A good registration with one member changed. */
static void
what_breaks_a_rule_is_refused_by_its_name(void **state)
{
    static const struct {
        const char *from, *to, *member;
    } rows[] = {
        {"\"kind\":\"registration\"", "\"kind\":\"discharge\"", "kind"},
        {"\"registration\":\"261122K7001\"", "\"registration\":\"261122k7001\"", "registration"},
        {"\"registration\":\"261122K7001\"", "\"registration\":\"\"", "registration"},
        {"\"name\":\"王小东\"", "\"name\":\"\"", "name"},
        {"\"name\":\"王小东\"", "\"name\":\"a\\nb\"", "name"},
        {"\"name\":\"王小东\"", "\"name\":7", "name"},
        {"\"citizen_id\":\"11010519491231002X\"", "\"citizen_id\":\"110105194912310021\"",
         "citizen_id"},
        {"\"sex\":\"F\"", "\"sex\":\"W\"", "sex"},
        {"\"birth\":\"19491231\"", "\"birth\":\"19490231\"", "birth"},
        {"\"phone\":\"13800138000\"", "\"phone\":\"138-0013-8000\"", "phone"},
        {"\"is_urgent\":true", "\"is_urgent\":1", "is_urgent"},
        {"\"revision\":2", "\"revision\":-2", "revision"},
        {"\"revision\":2", "\"revision\":4294967296", "revision"},
        {"\"modality\":\"CT\"", "\"modality\":\"C T\"", "modality"},
    };
    struct clinic_up up = sample_up(CLINIC_REGISTRATION), read;
    struct buf good, bad;
    struct err err;

    (void)state;
    buf_init(&good, 1 << 16);
    clinic_up_encode(&up, &good);
    assert_int_equal(clinic_up_decode(good.bytes, good.n, &read, &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *text = buf_text(&good), *at = strstr(text, rows[i].from);

        assert_non_null(at);
        buf_init(&bad, 1 << 16);
        buf_add(&bad, text, (size_t)(at - text));
        buf_add_text(&bad, rows[i].to);
        buf_add_text(&bad, at + strlen(rows[i].from));
        assert_int_equal(clinic_up_decode(bad.bytes, bad.n, &read, &err), -1);
        assert_int_equal(err.kind, ERR_REJECT);
        if (strstr(err.text, rows[i].member) == NULL)
            fail_msg("row %zu: wanted '%s' named, got '%s'", i, rows[i].member, err.text);
        assert_null(strstr(err.text, "110105"));
        buf_fini(&bad);
    }
    buf_fini(&good);
}

static void
no_body_is_longer_than_its_limit(void **state)
{
    struct clinic_up *messages = mem_new((CLINIC_MESSAGES + 1) * sizeof *messages);
    struct clinic_ups ups = {messages, CLINIC_MESSAGES}, read;
    struct buf b;
    struct err err;

    (void)state;
    for (int i = 0; i <= CLINIC_MESSAGES; i++) {
        messages[i] = sample_up(CLINIC_REGISTRATION);
        memset(messages[i].history, 'x', CLINIC_TEXT_SIZE - 1);
        memset(messages[i].complaint, 'y', CLINIC_TEXT_SIZE - 1);
    }
    buf_init(&b, 8 << 20);
    clinic_ups_encode(&ups, &b);
    assert_int_equal(clinic_ups_decode(b.bytes, b.n, &read, &err), 0); /* as much as may be */
    clinic_ups_free(&read);
    buf_clear(&b);
    ups.count++;
    clinic_ups_encode(&ups, &b);
    assert_int_equal(clinic_ups_decode(b.bytes, b.n, &read, &err), -1);
    buf_fini(&b);
    free(messages);
}

static void
phones_are_read_as_they_are_typed(void **state)
{
    static const struct {
        const char *typed, *phone;
    } rows[] = {
        {"13800138000", "13800138000"},
        {" 138 0013-8000 ", "13800138000"},
        {"+86 13800138000", "+8613800138000"},
        {"１３８００１３８０００", "13800138000"},
        {"(0431) 8888888", "04318888888"},
        {"", NULL},
        {"1380", NULL},
        {"1380013800x", NULL},
        {"1234567890123456", NULL},
        {"1+3800138000", NULL},
    };
    char phone[CLINIC_PHONE_SIZE];
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(clinic_phone_read(rows[i].typed, phone, &err),
                         rows[i].phone == NULL ? -1 : 0);
        if (rows[i].phone != NULL)
            assert_string_equal(phone, rows[i].phone);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_up_comes_back_equal),
        cmocka_unit_test(every_kind_down_comes_back_equal),
        cmocka_unit_test(a_kind_of_a_newer_centre_is_passed_over),
        cmocka_unit_test(late_images_without_a_word_of_looking_are_unseen),
        cmocka_unit_test(a_word_is_letters_digits_and_lines),
        cmocka_unit_test(receipts_and_ids_come_back_equal),
        cmocka_unit_test(what_breaks_a_rule_is_refused_by_its_name),
        cmocka_unit_test(no_body_is_longer_than_its_limit),
        cmocka_unit_test(phones_are_read_as_they_are_typed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
