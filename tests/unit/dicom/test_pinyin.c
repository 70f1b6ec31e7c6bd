/* test_pinyin.c - names in Latin letters: surnames as surnames, what has no reading said so. */
#include "proto/dicom/pinyin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void
names_read_as_names(void **state)
{
    static const struct {
        const char *name, *latin;
    } rows[] = {
        {"王小东", "Wang^XiaoDong"}, /* PS3.5 J.3 */
        {"张三", "Zhang^San"},
        {"单雄信", "Shan^XiongXin"},
        {"曾国藩", "Zeng^GuoFan"},
        {"仇英", "Qiu^Ying"},
        {"解缙", "Xie^Jin"},
        {"区寄", "Ou^Ji"},
        {"查良镛", "Zha^LiangYong"},
        {"朴槿惠", "Piao^JinHui"},
        {"缪昌文", "Miao^ChangWen"},
        {"盖叫天", "Ge^JiaoTian"},
        {"折可求", "She^KeQiu"},
        {"乐毅", "Yue^Yi"},
        {"任达华", "Ren^DaHua"},
        {"尉迟恭", "YuChi^Gong"},
        {"欧阳修", "OuYang^Xiu"},
        {"诸葛亮", "ZhuGe^Liang"},
        {"单于东", "ChanYu^Dong"},
        {"万俟卨", "MoQi^Xie"},
        {"吕布", "Lyu^Bu"},
        {"张单", "Zhang^Dan"},
        {"王玕", "Wang^Gan"},
        {"刘璡", "Liu^Jin"},
        {"陈誠", "Chen^Cheng"},
        {"周運", "Zhou^Yun"},
        {"李珺", "Li^Jun"},
        {"刘䶮", "Liu^Yan"},
        {"王^小东", "Wang^XiaoDong"},
        {"欧阳 修", "OuYang^Xiu"},
        {"赵　六", "Zhao^Liu"}, /* an ideographic blank: as HIS line up names of two signs */
        {"赵  六", "Zhao^Liu"},
        {"赵 ^ 六", "Zhao^Liu"},
        {"买买提·艾力", "MaiMaiTi^AiLi"},
        {"Smith^John", "Smith^John"},
        {"王", "Wang"},
        {"", ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char got[128];

        assert_true(pinyin_name(rows[i].name, got, sizeof got));
        assert_string_equal(got, rows[i].latin);
    }
}

static void
a_sign_without_a_reading_is_said_to_be_one(void **state)
{
    char got[128], small[8];

    (void)state;
    assert_false(pinyin_name("刘㐂", got, sizeof got));
    assert_string_equal(got, "Liu^?");
    assert_false(pinyin_name("Müller", got, sizeof got));
    assert_string_equal(got, "M?ller");
    assert_false(pinyin_name("诸葛孔明", small, sizeof small));
    assert_string_equal(small, "ZhuGe^K");
}

static void
text_keeps_what_is_ascii(void **state)
{
    struct buf out;
    const char *text = "胸部正位 DX(2)\n头痛,发热3天。";

    (void)state;
    buf_init(&out, 1000);
    assert_true(pinyin_text(text, strlen(text), &out));
    assert_string_equal(buf_text(&out), "XiongBuZhengWei DX(2)\nTouTong,FaRe3Tian.");
    buf_fini(&out);
}

static void
a_long_text_is_read_whole(void **state)
{
    struct buf in, out;

    (void)state;
    buf_init(&in, 100000);
    buf_init(&out, 100000);
    for (int i = 0; i < 1000; i++)
        buf_add_text(&in, "东");
    assert_true(pinyin_text(buf_text(&in), in.n, &out));
    assert_int_equal(out.n, 4000);
    assert_memory_equal(out.bytes + 3996, "Dong", 4);
    buf_fini(&in);
    buf_fini(&out);
}

static void
names_are_parted(void **state)
{
    char got[64];

    (void)state;
    pinyin_part("王小东", got, sizeof got);
    assert_string_equal(got, "王^小东");
    pinyin_part("欧阳修", got, sizeof got);
    assert_string_equal(got, "欧阳^修");
    pinyin_part("欧阳", got, sizeof got);
    assert_string_equal(got, "欧^阳");
    pinyin_part("王^小东", got, sizeof got);
    assert_string_equal(got, "王^小东");
    pinyin_part("赵　六", got, sizeof got);
    assert_string_equal(got, "赵^六");
    pinyin_part("赵  六 ", got, sizeof got);
    assert_string_equal(got, "赵^六");
    pinyin_part("阿卜杜拉·买买提", got, sizeof got);
    assert_string_equal(got, "阿卜杜拉·买买提");
}

static void
two_ways_to_write_the_same_fold_alike(void **state)
{
    static const char *const ways[] = {"Lyu^XiaoBu", "LV XIAO BU", "lu, xiaobu", "Lü"};
    char got[64];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        pinyin_fold(ways[i], got, sizeof got);
        assert_string_equal(got, "luxiaobu");
    }
    pinyin_fold("Zhang^S*", got, sizeof got);
    assert_string_equal(got, "zhangs*");
}

static void
traditional_signs_become_simplified(void **state)
{
    char got[64], small[6];

    (void)state;
    assert_true(pinyin_simplify("劉國強 8床", got, sizeof got));
    assert_string_equal(got, "刘国强 8床");
    assert_true(pinyin_simplify("", got, sizeof got));
    assert_string_equal(got, "");
    assert_false(pinyin_simplify("劉國強", small, sizeof small));
}

static void
a_reading_is_one_with_the_family_name_first_or_last(void **state)
{
    static const struct {
        const char *latin, *han;
        bool wanted;
    } rows[] = {
        {"WANG^XIAODONG", "王小东", true},
        {"Xiaodong Wang", "王小东", true},
        {"OU YANG XIU", "欧阳修", true},
        {"LV^BU", "吕布", true},
        {"Ma Liu", "王五", false},
        {"WANG^XIAO", "王小东", false},
        {"", "王小东", false},
        {"Wang Wu", "Wang Wu", false},
        {"王小东", "王小东", false},
        {"DONGXIAO^WANG", "王小东", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (pinyin_is_reading(rows[i].latin, rows[i].han) != rows[i].wanted)
            fail_msg("%s, %s: wanted %d", rows[i].latin, rows[i].han, rows[i].wanted);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_read_as_names),
        cmocka_unit_test(a_sign_without_a_reading_is_said_to_be_one),
        cmocka_unit_test(text_keeps_what_is_ascii),
        cmocka_unit_test(a_long_text_is_read_whole),
        cmocka_unit_test(names_are_parted),
        cmocka_unit_test(two_ways_to_write_the_same_fold_alike),
        cmocka_unit_test(traditional_signs_become_simplified),
        cmocka_unit_test(a_reading_is_one_with_the_family_name_first_or_last),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
