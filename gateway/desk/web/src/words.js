// words.js - every word on the page, Chinese first. A value is a text or a function of what the state tells.
import { signal } from "@preact/signals";

const zh = {
  title: "影像上传台", other: "English", updated: "更新于", offline: "本机服务没有回应，页面显示的是旧内容",
  lamps: "状态", devices: "设备", line: "线路", disk: "磁盘", clock: "时钟", certificate: "证书",
  DEVICES_NONE: () => "尚未登记设备", DEVICES_HEARD: (l) => `${l.heard} 台设备已发图`,
  DEVICES_QUIET: (l) => `已登记 ${l.known} 台，启动后未发图`, DEVICES_REFUSED: (l) => `有 ${l.refused} 台未登记的设备被拒绝，见“设备”`,
  LINE_UP: (l) => (l.waiting ? `通，还有 ${l.waiting} 幅待传` : "通，全部传完"), LINE_TRYING: () => "正在连接中心",
  LINE_DOWN: (l) => `断开，${l.waiting} 幅安全存在本机，会自动续传`,
  LINE_DOWN_LONG: (l) => `断开超过 10 分钟，${l.waiting} 幅安全存在本机；请检查网络`,
  LINE_REFUSED: () => "中心不接受本机证书，请联系管理员", LINE_NOT_ENROLLED: () => "本机尚未登记到中心，请联系管理员",
  DISK_FINE: (l) => `余 ${bytes(l.free_bytes)}${l.days_left >= 0 ? `，约 ${l.days_left > 999 ? ">999" : l.days_left} 天` : ""}`, DISK_WARN: (l) => `只余 ${bytes(l.free_bytes)},请通知管理员`,
  DISK_SLOW: (l) => `只余 ${bytes(l.free_bytes)},接收已放慢`, DISK_REFUSE: () => "磁盘已满，暂不能接收图像！",
  DISK_SICK: () => "磁盘写入出错，请立即通知管理员", CLOCK_FINE: () => "准确", CLOCK_UNKNOWN: () => "尚未与中心核对",
  CLOCK_OFF: (l) => `与中心相差 ${Math.round(Math.abs(l.offset_ms) / 1000)} 秒`,
  CLOCK_WRONG: (l) => `与中心相差 ${Math.round(Math.abs(l.offset_ms) / 1000)} 秒，请校时`,
  CERTIFICATE_FINE: (l) => `还有 ${l.days} 天`, CERTIFICATE_UNKNOWN: () => "尚无",
  CERTIFICATE_SOON: (l) => `还有 ${l.days} 天到期`, CERTIFICATE_ENDING: (l) => `${l.days} 天后到期，请联系管理员`,
  CERTIFICATE_ENDED: () => "已过期，请联系管理员",
  studies: "今日检查", none: "今天还没有收到检查。设备发送后会立即出现在这里。", older: (n) => `另有 ${n} 项较早的检查未列出`,
  images: (s) => (s.expected ? `收到 ${s.expected - s.missing} 幅，设备报 ${s.expected} 幅` : s.is_closed ? `收到 ${s.total} 幅（设备未说明应有几幅）` : `收到 ${s.total} 幅`),
  attention: (s) => `${s.counts.quarantined} 幅需要人工处理，请联系管理员；请勿在设备上删除`,
  receiving: () => "正在接收", sending: (s) => `正在上传：${s.at_centre}/${s.total} 幅已到中心`,
  looked: (s) => `中心已可预览，原图上传中：${s.at_centre}/${s.total}`, held: () => "中心已收全，正在存两份",
  safe: () => "已存两份并核对", delete_yes: "可以在设备上删除", delete_no: "请勿在设备上删除", close: "本次检查已拍完",
  set_aside: (n) => `共有 ${n} 幅图像无法处理或与已存图像矛盾，已单独保存、未丢失。请联系管理员，并勿在设备上删除。`,
  refused: "被拒绝的设备", refused_why: "这些设备没有登记，图像没有收下。请管理员登记后在设备上重发。",
  called_wrong: (r) => `把对方名称(AE)设成了“${r.called}”`, times: (n) => `${n} 次`,
  tab_studies: "检查", tab_register: "登记", tab_reports: "报告", menu: "菜单", new_reports: (n) => `${n} 份未确认`,
  unattached: "还不知道是谁的检查", whose: "选择已登记的患者", attach: "就是此人", failed: "没有办成。", shut: "关闭", print: "打印",
  age_years: (n) => `${n}岁`, age_months: (n) => `${n}个月`, male: "男", female: "女", sex_other: "不详", choose: "请选择", number: "检查号",
  read_waiting: "待分派", read_unagreed: "没有阅片协议", read_assigned: "已分派医师", read_claimed: "医师正在阅片", read_drafted: "报告书写中",
  read_written: "报告待审核", read_reviewed: "报告待签发", read_preliminary: "急诊报告已发", read_signed: "报告已签发", read_amended: "报告已更正", read_withdrawn: "报告已作废",
  register: "登记患者", register_do: "登记", name: "姓名", citizen_id: "身份证号", citizen_id_hint: "没有可不填", sex: "性别", birth: "出生日期",
  phone: "手机号", phone_hint: "用来收报告通知和验证码；没有可不填", modality: "检查类型", complaint: "主诉", history: "病史（可不填）", urgent: "加急",
  complaint_cough: "咳嗽", complaint_chest: "胸痛", complaint_injury: "外伤", complaint_head: "头痛头晕",
  modality_DX: "X 线摄片", modality_CR: "X 线摄片", modality_CT: "CT", modality_MR: "磁共振", modality_US: "超声", modality_MG: "乳腺 X 线", modality_ECG: "心电图",
  need_name: "请填写姓名", need_sex: "请选择性别", need_birth: "请填写出生日期", need_complaint: "请填写主诉", need_modality: "请选择检查类型",
  bad_phone: "手机号只能是 5 到 15 位数字", id_length: "身份证号应为 18 位", id_sign: "身份证号只有数字，最后一位可以是 X", id_birth: "身份证号里的出生日期不对", id_check: "身份证号的校验位不对，请核对",
  fault_length: "身份证号位数不对", fault_sign: "身份证号里有不该有的字符", fault_region: "身份证号的地区码不存在", fault_birth: "出生日期不对", fault_check: "身份证号的校验位不对，请核对", fault_phone: "手机号不对",
  registered: (number) => `已登记，编号 ${number}。请打印检查单交给患者。`, registered_today: "已登记的患者", none_registered: "今天还没有登记患者。",
  no_study: "图像还没有到", untold: "还没有送到中心，线路通了会自动送", is_urgent: "加急", no_phone: "未留手机号", phone_unverified: "手机未验证",
  slip_how_later: "请到医院的取报告网页，输入上面的取报告码。", reader_down: (r) => `连不上阅片中心：登记和加急已存在本机，线路通了会自动送（${r.waiting} 条待送）`,
  reader_refused: () => "阅片中心不接受本机，请联系管理员", fault_line_down: "线路不通，验证码现在发不出去；可以先打印检查单，稍后再验证", is_refused: (f) => `中心没有接受（${f.kind}：${f.word}），请联系管理员`,
  on_images: (text) => `图像上写的是：${text}`, other_patient: (text) => `图像上写的是：${text}。与登记不符，请核对是否归错了人`,
  slip_printed: "检查单已打印", slip_print: "打印检查单", slip_again: "重新打印检查单", phone_check: "验证手机", phone_send: "发送验证码", otp: "患者说出的验证码", otp_hint: "6 位数字", check: "核对",
  phone_unsent: "正在送往中心", phone_sent: "验证码已发出", phone_verified: "手机已验证", phone_wrong: "验证码不对", phone_expired: "验证码已过期，请重新发送",
  phone_locked: "错的次数太多，请稍后重新发送", phone_too_many: "这个号码发得太多，请稍后再试", urgent_reason: "加急原因", urgent_do: "标为加急",
  slip_title: "检查单 · 取报告凭证", qr_alt: "取报告二维码", slip_how: (url) => `用手机扫描二维码；或打开 ${url}，输入上面的取报告码。`, slip_phone: (phone) => `验证码会发到 ${phone}。`,
  slip_no_phone: "未留手机号：请到窗口取报告。", slip_care: "请妥善保管，勿转告他人。重新打印后，旧码作废。", slip_once: "取报告码只显示这一次，请随即打印。",
  slip_ends_old: "重新打印会产生新的取报告码，旧的检查单随即作废。", slip_make: "生成取报告码", reports: "返回的报告", no_reports: "还没有返回的报告。",
  version: (n) => `第 ${n} 版`, withdrawn: "已作废，请收回", replaced: "已被新版本取代，请勿再用", corrected: (r) => `更正版，取代第 ${r.replaces} 版`, preliminary: "急诊报告,以正式报告为准",
  late: (r) => `签发后有补传图像：报告只覆盖 ${r.covers}/${r.present} 幅`, signed_by: (r) => (r.reviewer ? `报告 ${r.author}，审核 ${r.reviewer}` : `报告 ${r.author}`),
  because: (text) => `原因：${text}`, open_print: "打开并打印", fetching: "正在取回…", confirm: "确认已交给患者", confirm_withdrawn: "确认已收回", confirmed: "已确认",
  sign_in: "登录", sign_in_do: "登录", sign_out: "退出登录", login: "账号", password: "密码", have_code: "我有一次性口令", login_hint: "2 到 64 个小写字母、数字或 . _ - @",
  first_account: "建立第一个账号", first_account_how: "口令由管理本机的人运行 radpost-gateway desk-account 得到，一小时内有效。", use_code: "用一次性口令设密码", use_code_how: "口令由影像台管理员给出，三天内有效。",
  code: "一次性口令", code_of_console: "口令来自本机命令 desk-account（建立管理员账号）", your_name: "您的姓名", password_new: "新密码", password_hint: "至少 10 个字符", password_again: "再输一遍新密码", set_password: "设密码并登录",
  door_wrong: "账号或密码不对", door_wait: (s) => `错的次数太多，请等 ${s} 秒再试`, door_no_code: "口令不对、已用过或已过期", fault_password: "密码至少 10 个字符", fault_password_again: "两次输入的密码不一样", fault_login: "账号不能用：2 到 64 个小写字母、数字或 . _ - @", fault_account: "请填账号、姓名和角色；账号只能用小写字母、数字或 . _ - @",
  password_change: "修改密码", password_old: "现在的密码", accounts: "影像台账号", account_new: "新建账号", account_new_do: "新建", account_reset: "重设密码", account_disable: "停用", account_enable: "启用", role: "角色",
  role_technician: "技师", role_engineer: "维修工程师", role_administrator: "影像台管理员", is_disabled: "已停用", no_password: "尚未设密码", signed_in_last: (t) => `上次登录 ${t}`, signed_in_never: "从未登录",
  code_for: (name) => `${name} 的一次性口令`, code_hand_over: "只显示这一次。请当面交给本人：在登录页选“我有一次性口令”，三天内设好密码。",
  tab_orders: "待检", tab_calls: "危急值", tab_imports: "文件收件箱", tab_devices: "设备", unanswered: (n) => `${n} 条待回复`, waiting_n: (n) => `${n} 个`, look_at: (n) => `${n} 项`,
  count_here: (c) => `${c.n}/${c.due} 幅已存本机`, count_centre: (c) => `${c.n}/${c.due} 幅已到中心`, count_safe: (c) => `${c.n}/${c.due} 幅已在中心存妥并核对，可以在设备上删除`, still_missing: (n) => `设备说还有 ${n} 幅没有到`, is_closed: "技师已确认拍完",
  dose: "剂量", reject: "废片", reject_title: "记一次废片", reject_how: "记下没拍好、要重拍的图像。只作统计，不会删除任何图像。", reject_reason: "原因", reject_images: "几幅", reject_words: "说明（选“其他”时必填）", reject_do: "记下", fault_reject: "请选择原因；选“其他”时请写明",
  reject_position: "摆位不对", reject_motion: "患者移动", reject_exposure: "曝光不当", reject_artefact: "异物或伪影", reject_wrong_part: "拍错部位或侧别", reject_wrong_patient: "设备上选错患者", reject_equipment: "设备故障", reject_other: "其他", rejects_month: (n) => `近一个月废片 ${n} 幅`,
  orders: "待检清单", orders_why: "设备的工作列表就是这份清单。登记患者、医院信息系统或中心下的申请都会在这里。", no_orders: "现在没有待检的申请。", any_modality: "任意设备",
  order_scheduled: "待检", order_has_images: "图像已到", order_in_progress: "检查中", order_completed: "已完成", order_discontinued: "设备中止", order_cancelled: "已取消", order_do_cancel: "取消申请", order_do_complete: "已做完", order_do_again: "重新排上",
  source_desk: "本台登记", source_hl7: "医院信息系统", source_http: "医院信息系统", source_folder: "医院信息系统", source_command: "医院信息系统", source_centre: "中心", source_import: "文件收件箱",
  calls: "危急值与重拍要求", no_calls: "没有危急值，也没有重拍要求。", call_critical: "危急值", call_repeat: "请重拍", call_sounding: (n) => `有 ${n} 条危急值还没有人听到！`, call_sign_in: "请登录。", call_go: "去看并点“已听到”", sound_blocked: "浏览器没有放声音：点这里开声音", sound_off: "声音未开：点一下试听", sound_on: "声音已开：试听",
  on_preview: "依据预览图", call_heard: "已听到", call_read_back: "复述并回复", call_will_repeat: "安排重拍", call_cannot_repeat: "无法重拍", call_send: "发送", call_read_back_words: "请复述危急值内容和已采取的措施", read_back_how: "医生会看到您的原话，以确认听得没有错。", call_will_repeat_words: "何时重拍", call_cannot_repeat_words: "为什么无法重拍", fault_due: "请填写回复", fault_words: "请填写回复",
  was_read_back: (c) => `${c.answered_by} 已复述`, was_will_repeat: (c) => `${c.answered_by} 已安排重拍`, was_cannot_repeat: (c) => `${c.answered_by} 回复无法重拍`,
  imports: "文件收件箱", imports_why: "不会说 DICOM 的设备（心电图机、U 盘、光盘）送来的文件。先看内容，再选是谁的。", no_imports: "收件箱是空的。", rescan: "再找一遍", media_files: (n) => `有 ${n} 个文件`, media_take: "取进来", media_taken: (m) => `取进 ${m.taken} 个，直接送出 ${m.sent} 幅，早已有 ${m.known} 个，不能用 ${m.unusable} 个，读不到 ${m.missing} 个`,
  import_whose: "这是谁的？", import_discard: "不要了", import_reason: "为什么不要", import_reopen: "放回收件箱", import_other: "文件里写的性别或出生日期与此人不符！", import_sure: "确实是此人", file_says: (t) => `文件里写的是：${t}`, look: "看内容", fault_reason: "请写明原因", fault_cannot_wrap: "这个文件转不成图像", fault_not_waiting: "别人已经处理了",
  kind_pdf: "PDF", kind_jpeg: "照片", kind_mp4: "视频", kind_avi: "视频", kind_aecg: "心电图", kind_scp_ecg: "心电图", kind_png: "照片", kind_dicom: "DICOM 文件", kind_dicomdir: "光盘目录", kind_unknown: "认不出的文件",
  no_devices: "还没有登记设备。", last_image: (t) => `最近一幅 ${t}`, no_image_yet: "还没有送来过图像", any_address: "任意地址", stored_n: (n) => `共收 ${n} 幅`, is_open: (n) => `${n} 个连接正开着`, plain: "明文", change: "修改", save: "保存", automatic: "自动",
  device_name: "设备名称", device_name_hint: "给人看的，如 一楼 DR", device_modality: "只看哪些检查", device_modality_hint: "如 DX 或 CT+MR；不填为全部", device_charset: "工作列表的文字", device_pdu: "每包最大", device_remove: "删除这台设备", address: "IP 地址", address_hint: "会变的填 *",
  unknown_devices: "未登记的设备", unknown_how: "一键登记后即可收图；先前隔离的图像随即放行。拿不准的不要登记。", enrol: (ae) => `登记设备 ${ae}`, enrol_do: "登记", enrol_short: "登记…", forget: "不再提示", fault_device: "这台设备登记不上：请核对名称和地址", pins_certificate: "以后只认它的证书", pins_address: "这台设备不会加密：只能认名称和地址",
  refused_unknown: "没有登记", refused_called_wrong: (r) => `把对方名称(AE)设成了“${r.called}”`, refused_tls_wanted: "应当加密，却没有加密", refused_certificate_differs: "证书与登记的不同", stranger_sent: (s) => `已送来 ${s.n} 幅（${s.size}），隔离保存`,
  window_closed: "装机窗口已关闭：未登记的设备会被拒绝。", window_open: (m) => `装机窗口开着，还有 ${m} 分钟：未登记的设备可以发图，图像先隔离。`, window_holds: (w) => `隔离中有 ${w.n} 幅（${w.size}）。`, window_open_do: "打开 30 分钟", window_close_do: "现在关闭",
  unsent: "请在设备上重发", unsent_why: "这些图像没有收下，多数设备不会自己重发。重发成功后会自动从这里消失。", unsent_more: (n) => `另有 ${n} 条`, no_uid: "（读不出编号）", status_A700: "磁盘已满", status_A900: "内容与申请不符", status_C000: "读不懂", status_0124: "这台设备不许发这类图像", page_certificate: "本页证书指纹 SHA-256",
  commitments: "存储承诺", commitment_open: "等图像存妥", commitment_to_tell: "正在告诉设备", commitment_given_up: "告诉不了设备", commitment_n: (c) => `${c.instances} 幅${c.missing ? `，缺 ${c.missing}` : ""}${c.failed ? `，失败 ${c.failed}` : ""}`,
  side: "侧别", side_L: "左侧", side_R: "右侧", side_B: "双侧", view: "体位", view_AP: "前后位", view_PA: "后前位", view_LAT: "侧位", view_AP_LAT: "正侧位", view_OBL: "斜位", view_AXIAL: "轴位", as_needed: "不指定",
  consent: "知情同意", consent_hint: "图像和报告会送到上级医院阅片", consent_none: "未记录", consent_patient: "患者本人同意", consent_family: "家属同意", consent_emergency: "急诊，事后补办",
  print_queue: "打印队列", reports_all: (n) => `全部 ${n}`, reports_unprinted: (n) => `待打印 ${n}`, none_unprinted: "没有待打印的报告。", printed_at: (t) => `已打印 ${t}`,
  tab_doubts: "待核对", open_doubts: (n) => `${n} 项`, doubts: "是谁的图像", doubts_why: "图像都已收下保存，只是身份有疑问。核对之前，报告不能签发，设备上也请勿删除。", no_doubts: "没有需要核对的。", nobody_named: "图像上没有写是谁",
  a_or_b: "A 还是 B？", a_or_b_why: (n) => `同样的图像以两个人的名义各来了一次（${n} 幅）。图像其实是谁的？`, it_is: (w) => `是 ${w}`, b_is: "若是 B，对应的登记", b_is_nobody: "没有登记", a_or_b_answered: (a) => `${a.by} 已答：是 ${a.which}`,
  doubt_confirm: "已核对，无误", doubt_reason: "怎么核对的", doubt_reason_hint: "如：看过身份证，设备上输错一位", doubt_confirmed: (d) => `${d.confirmed_by} 已核对`, signing_waits: "报告等待核对", join: "并入此人的检查",
  doubt_id_check: "身份证号校验位不符，可能输错", doubt_id_sex: "性别与身份证号不一致", doubt_id_birth: "出生日期与身份证号不一致", doubt_study_date: "检查日期不可能正确，请检查设备时钟", doubt_study_old: "检查日期在一年以前:旧检查，或设备时钟有误", doubt_no_patient_id: "缺少可用的患者编号", doubt_uid_reused: "同一检查编号下出现两位患者的影像", doubt_several_studies: "一次检查可能被拆分为多个检查", doubt_study_per_image: "设备为每幅图像新建一个检查", doubt_bad_uid: "检查或序列编号缺失或无效", doubt_a_or_b: "同一影像以不同患者信息到达两次，须由技师确认归属", doubt_text_broken: "姓名或文字无法按任何字符集识别",
};

const en = {
  title: "Image desk", other: "中文", updated: "as of", offline: "This gateway does not answer; what you see is old",
  lamps: "Lamps", devices: "Devices", line: "Line", disk: "Disk", clock: "Clock", certificate: "Certificate",
  DEVICES_NONE: () => "no device is enrolled yet", DEVICES_HEARD: (l) => `${l.heard} sending`,
  DEVICES_QUIET: (l) => `${l.known} enrolled, none has sent since the start`,
  DEVICES_REFUSED: (l) => `${l.refused} unknown refused, see Devices`,
  LINE_UP: (l) => (l.waiting ? `up, ${l.waiting} images still to go` : "up, everything has gone"),
  LINE_TRYING: () => "reaching the centre", LINE_DOWN: (l) => `down; ${l.waiting} images are safe here and will go by themselves`,
  LINE_DOWN_LONG: (l) => `down for over ten minutes; ${l.waiting} images are safe here; please check the network`,
  LINE_REFUSED: () => "the centre refuses our certificate; call the administrator",
  LINE_NOT_ENROLLED: () => "not enrolled with the centre; call the administrator",
  DISK_FINE: (l) => `${bytes(l.free_bytes)} free${l.days_left >= 0 ? `, about ${l.days_left > 999 ? ">999" : l.days_left} days` : ""}`, DISK_WARN: (l) => `only ${bytes(l.free_bytes)} free; tell the administrator`,
  DISK_SLOW: (l) => `only ${bytes(l.free_bytes)} free; devices are slowed down`, DISK_REFUSE: () => "full: no images can be taken!",
  DISK_SICK: () => "writing fails; call the administrator now", CLOCK_FINE: () => "right", CLOCK_UNKNOWN: () => "not compared yet",
  CLOCK_OFF: (l) => `${Math.round(Math.abs(l.offset_ms) / 1000)} s off`,
  CLOCK_WRONG: (l) => `${Math.round(Math.abs(l.offset_ms) / 1000)} s off; please set it`,
  CERTIFICATE_FINE: (l) => `${l.days} days left`, CERTIFICATE_UNKNOWN: () => "none yet",
  CERTIFICATE_SOON: (l) => `ends in ${l.days} days`, CERTIFICATE_ENDING: (l) => `ends in ${l.days} days; call the administrator`,
  CERTIFICATE_ENDED: () => "has ended; call the administrator",
  studies: "Today's studies", none: "Nothing has arrived today. A study appears here as soon as a device sends it.",
  older: (n) => `${n} older studies are not listed`,
  images: (s) => (s.expected ? `${s.expected - s.missing} of ${s.expected} expected` : s.is_closed ? `${s.total} received, number unknown` : `${s.total} received`),
  attention: (s) => `${s.counts.quarantined} need a person: call the administrator; do not delete on the device`,
  receiving: () => "being received", sending: (s) => `uploading: ${s.at_centre} of ${s.total} at the centre`,
  looked: (s) => `first look at the centre, the rest is uploading: ${s.at_centre} of ${s.total}`,
  held: () => "whole at the centre, being stored twice", safe: () => "stored twice and verified",
  delete_yes: "safe to delete on the device", delete_no: "do not delete on the device", close: "that was all of it",
  set_aside: (n) => `${n} images could not be handled or contradict what is kept; they are kept aside, nothing is lost. Call the administrator and do not delete them on the device.`,
  refused: "Devices refused", refused_why: "These are not enrolled; their images were not taken. Enrol them, then send again.",
  called_wrong: (r) => `calls us “${r.called}”`, times: (n) => `${n} times`,
  tab_studies: "Studies", tab_register: "Register", tab_reports: "Reports", menu: "Menu", new_reports: (n) => `${n} to confirm`,
  unattached: "Nobody has said whose study this is", whose: "Choose a registered patient", attach: "It is this patient's", failed: "It was not done.", shut: "Close", print: "Print",
  age_years: (n) => `${n} y`, age_months: (n) => `${n} months`, male: "male", female: "female", sex_other: "unknown", choose: "Choose", number: "No.",
  read_waiting: "waiting for a reader", read_unagreed: "no reader by agreement", read_assigned: "a reader was chosen", read_claimed: "being read", read_drafted: "being written",
  read_written: "to be reviewed", read_reviewed: "to be signed", read_preliminary: "preliminary report out", read_signed: "signed", read_amended: "amended", read_withdrawn: "withdrawn",
  register: "Register a patient", register_do: "Register", name: "Name", citizen_id: "Citizen number", citizen_id_hint: "leave empty if there is none", sex: "Sex", birth: "Born",
  phone: "Phone", phone_hint: "for the code and the news that the report is ready; may be empty", modality: "Kind of examination", complaint: "Complaint", history: "History (may be empty)", urgent: "Urgent",
  complaint_cough: "cough", complaint_chest: "chest pain", complaint_injury: "injury", complaint_head: "headache, dizziness",
  modality_DX: "X-ray", modality_CR: "X-ray", modality_CT: "CT", modality_MR: "MR", modality_US: "Ultrasound", modality_MG: "Mammography", modality_ECG: "ECG",
  need_name: "The name is needed", need_sex: "Please choose", need_birth: "The date of birth is needed", need_complaint: "The complaint is needed", need_modality: "Please choose",
  bad_phone: "A phone number has 5 to 15 digits", id_length: "A citizen number has 18 signs", id_sign: "Only digits, and perhaps an X at the end", id_birth: "The date of birth in the number is wrong", id_check: "The check sign does not fit: something is mistyped",
  fault_length: "The citizen number has a wrong length", fault_sign: "The citizen number holds a sign it cannot have", fault_region: "The citizen number's region does not exist", fault_birth: "The date of birth is wrong", fault_check: "The citizen number's check sign does not fit", fault_phone: "The phone number is wrong",
  registered: (number) => `Registered as ${number}. Print the slip and hand it to the patient.`, registered_today: "Registered patients", none_registered: "Nobody was registered today.",
  no_study: "no images yet", untold: "not at the centre yet; it goes by itself when the line is up", is_urgent: "urgent", no_phone: "no phone", phone_unverified: "phone not verified",
  slip_how_later: "Open the hospital's report page and type the code above.", reader_down: (r) => `The reading centre cannot be reached; all is kept here and goes by itself (${r.waiting} waiting)`,
  reader_refused: () => "The reading centre refuses this gateway; call the administrator", fault_line_down: "The line is down, so no code can be sent now; print the slip and verify later", is_refused: (f) => `the centre did not accept it (${f.kind}: ${f.word}); call the administrator`,
  on_images: (text) => `the images say: ${text}`, other_patient: (text) => `The images say: ${text}. That is not what was registered: is it the right patient?`,
  slip_printed: "slip printed", slip_print: "Print the slip", slip_again: "Print a new slip", phone_check: "Verify the phone", phone_send: "Send a code", otp: "The code the patient tells you", otp_hint: "six digits", check: "Check",
  phone_unsent: "on its way to the centre", phone_sent: "the code was sent", phone_verified: "phone verified", phone_wrong: "that is not the code", phone_expired: "the code is too old; send a new one",
  phone_locked: "too many wrong tries; send a new code later", phone_too_many: "too many codes to this number; try later", urgent_reason: "Why it is urgent", urgent_do: "Mark as urgent",
  slip_title: "Slip: to fetch the report", qr_alt: "QR code for fetching the report", slip_how: (url) => `Scan the QR code with a phone, or open ${url} and type the code above.`, slip_phone: (phone) => `A one-time code goes to ${phone}.`,
  slip_no_phone: "No phone was given: please fetch the report at the desk.", slip_care: "Keep it and tell nobody. A new slip ends this one.", slip_once: "The code is shown this once; print it now.",
  slip_ends_old: "A new slip has a new code; the old slip is void from then on.", slip_make: "Make the code", reports: "Reports that came back", no_reports: "No report has come back yet.",
  version: (n) => `version ${n}`, withdrawn: "withdrawn: take it back", replaced: "replaced by a newer version: do not use", corrected: (r) => `corrected, replaces version ${r.replaces}`, preliminary: "Emergency report; the final report decides",
  late: (r) => `late images: the report covers ${r.covers} of ${r.present}`, signed_by: (r) => (r.reviewer ? `written by ${r.author}, reviewed by ${r.reviewer}` : `written by ${r.author}`),
  because: (text) => `Why: ${text}`, open_print: "Open and print", fetching: "being fetched…", confirm: "Handed to the patient", confirm_withdrawn: "Taken back", confirmed: "confirmed",
  sign_in: "Sign in", sign_in_do: "Sign in", sign_out: "Sign out", login: "Account", password: "Password", have_code: "I have a one-time code", login_hint: "2 to 64 lower case letters, digits or . _ - @",
  first_account: "Make the first account", first_account_how: "Whoever looks after this machine gets the code from radpost-gateway desk-account; it is good for an hour.", use_code: "Set a password with a one-time code", use_code_how: "The desk's administrator gives you the code; it is good for three days.",
  code: "One-time code", code_of_console: "The code comes from desk-account on this machine (an administrator's account)", your_name: "Your name", password_new: "New password", password_hint: "at least 10 characters", password_again: "New password again", set_password: "Set the password and sign in",
  door_wrong: "Account or password is not right", door_wait: (s) => `Too many wrong tries: please wait ${s} s`, door_no_code: "This code is not known, was used, or its time is over", fault_password: "A password has at least 10 characters", fault_password_again: "The two new passwords differ", fault_login: "This account name cannot be used: 2 to 64 lower case letters, digits or . _ - @", fault_account: "Account, name and role are due; an account name has lower case letters, digits or . _ - @",
  password_change: "Change the password", password_old: "Present password", accounts: "Accounts of the desk", account_new: "New account", account_new_do: "Make it", account_reset: "Reset password", account_disable: "Disable", account_enable: "Enable", role: "Role",
  role_technician: "technician", role_engineer: "service engineer", role_administrator: "desk administrator", is_disabled: "disabled", no_password: "no password yet", signed_in_last: (t) => `signed in last ${t}`, signed_in_never: "never signed in",
  code_for: (name) => `One-time code for ${name}`, code_hand_over: "It is shown this once. Hand it over in person: on the sign-in page choose \"I have a one-time code\" within three days.",
  tab_orders: "To examine", tab_calls: "Critical", tab_imports: "Files", tab_devices: "Devices", unanswered: (n) => `${n} to answer`, waiting_n: (n) => `${n}`, look_at: (n) => `${n}`,
  count_here: (c) => `${c.n} of ${c.due} stored here`, count_centre: (c) => `${c.n} of ${c.due} at the centre`, count_safe: (c) => `${c.n} of ${c.due} at the centre, verified: safe to delete on the device`, still_missing: (n) => `the device says ${n} more are to come`, is_closed: "closed: no more images",
  dose: "Dose", reject: "Reject", reject_title: "Note a rejected image", reject_how: "For images that were not good enough and are made again. It is counted only; no image is deleted.", reject_reason: "Reason", reject_images: "How many", reject_words: "In words (due for \"something else\")", reject_do: "Note it", fault_reject: "Choose a reason; \"something else\" needs words",
  reject_position: "wrong position", reject_motion: "the patient moved", reject_exposure: "exposure", reject_artefact: "foreign object or artefact", reject_wrong_part: "wrong part or side", reject_wrong_patient: "wrong patient on the device", reject_equipment: "device failed", reject_other: "something else", rejects_month: (n) => `${n} rejected in a month`,
  orders: "To be examined", orders_why: "This is the devices' worklist: patients registered here, orders of the hospital's system and of the centre.", no_orders: "Nothing waits to be examined.", any_modality: "any device",
  order_scheduled: "waits", order_has_images: "images are here", order_in_progress: "in progress", order_completed: "done", order_discontinued: "stopped by the device", order_cancelled: "cancelled", order_do_cancel: "Cancel", order_do_complete: "It is done", order_do_again: "Put it back",
  source_desk: "registered here", source_hl7: "hospital system", source_http: "hospital system", source_folder: "hospital system", source_command: "hospital system", source_centre: "centre", source_import: "files",
  calls: "Critical findings and repeats", no_calls: "No critical finding, no request to repeat.", call_critical: "Critical finding", call_repeat: "Please repeat", call_sounding: (n) => `${n} critical ${n === 1 ? "finding has" : "findings have"} been heard by nobody!`, call_sign_in: "Please sign in.", call_go: "Go there and press Heard", sound_blocked: "The browser keeps it silent: press for sound", sound_off: "Sound is off: press to try", sound_on: "Sound is on: try",
  on_preview: "on the preview", call_heard: "Heard", call_read_back: "Read back", call_will_repeat: "It will be repeated", call_cannot_repeat: "It cannot be repeated", call_send: "Send", call_read_back_words: "Say in your words what was found and what you do", read_back_how: "The doctor sees your words and knows that it was understood.", call_will_repeat_words: "When", call_cannot_repeat_words: "Why it cannot be repeated", fault_due: "An answer in words is due", fault_words: "An answer in words is due",
  was_read_back: (c) => `read back by ${c.answered_by}`, was_will_repeat: (c) => `${c.answered_by}: will be repeated`, was_cannot_repeat: (c) => `${c.answered_by}: cannot be repeated`,
  imports: "Inbox of files", imports_why: "What devices without DICOM sent: ECG carts, sticks, discs. Look, then say whose it is.", no_imports: "The inbox is empty.", rescan: "Look again", media_files: (n) => `${n} files`, media_take: "Take them", media_taken: (m) => `${m.taken} taken, ${m.sent} sent on, ${m.known} were here, ${m.unusable} unusable, ${m.missing} missing`,
  import_whose: "Whose is it?", import_discard: "Discard", import_reason: "Why it is discarded", import_reopen: "Back to the inbox", import_other: "The file names another sex or birth date!", import_sure: "It is this patient's all the same", file_says: (t) => `the file says: ${t}`, look: "Look", fault_reason: "A reason is due", fault_cannot_wrap: "This file cannot be made into images", fault_not_waiting: "Somebody else has dealt with it",
  kind_pdf: "PDF", kind_jpeg: "Picture", kind_mp4: "Film", kind_avi: "Film", kind_aecg: "ECG", kind_scp_ecg: "ECG", kind_png: "Picture", kind_dicom: "DICOM file", kind_dicomdir: "Directory of a disc", kind_unknown: "Unknown file",
  no_devices: "No device is enrolled yet.", last_image: (t) => `last image ${t}`, no_image_yet: "has sent no image yet", any_address: "any address", stored_n: (n) => `${n} images in all`, is_open: (n) => `${n} connections open`, plain: "plain", change: "Change", save: "Save", automatic: "automatic",
  device_name: "Name of the device", device_name_hint: "for people, e.g. DR ground floor", device_modality: "Which examinations it sees", device_modality_hint: "e.g. DX or CT+MR; empty: all", device_charset: "Text of its worklist", device_pdu: "Largest packet", device_remove: "Remove this device", address: "IP address", address_hint: "* if it changes",
  unknown_devices: "Unknown devices", unknown_how: "Enrol by one click; what waits in quarantine is released. Do not enrol what you do not know.", enrol: (ae) => `Enrol ${ae}`, enrol_do: "Enrol", enrol_short: "Enrol…", forget: "Forget", fault_device: "This device cannot be enrolled: check title and address", pins_certificate: "only its certificate is taken from now on", pins_address: "this device knows no encryption: title and address are all there is",
  refused_unknown: "not enrolled", refused_called_wrong: (r) => `called us "${r.called}"`, refused_tls_wanted: "came without encryption", refused_certificate_differs: "another certificate than was enrolled", stranger_sent: (s) => `${s.n} images (${s.size}), kept in quarantine`,
  window_closed: "The installation window is closed: unknown devices are refused.", window_open: (m) => `The installation window is open for ${m} more minutes: unknown devices may send, into quarantine.`, window_holds: (w) => `${w.n} images (${w.size}) are in quarantine.`, window_open_do: "Open for 30 minutes", window_close_do: "Close now",
  unsent: "Send these again", unsent_why: "These were not taken, and most devices never try again by themselves. A row goes when its image arrives.", unsent_more: (n) => `${n} more`, no_uid: "(no number could be read)", status_A700: "disk full", status_A900: "contents contradict the request", status_C000: "cannot be read", status_0124: "this device may not send these", page_certificate: "This page's certificate, SHA-256",
  commitments: "Storage commitment", commitment_open: "waits for its images", commitment_to_tell: "the device is being told", commitment_given_up: "the device could not be told", commitment_n: (c) => `${c.instances} images${c.missing ? `, ${c.missing} missing` : ""}${c.failed ? `, ${c.failed} failed` : ""}`,
  side: "Side", side_L: "left", side_R: "right", side_B: "both sides", view: "View", view_AP: "AP", view_PA: "PA", view_LAT: "lateral", view_AP_LAT: "two planes", view_OBL: "oblique", view_AXIAL: "axial", as_needed: "not said",
  consent: "Consent", consent_hint: "images and report go to the hospital that reads them", consent_none: "not noted", consent_patient: "by the patient", consent_family: "by the family", consent_emergency: "emergency, follows later",
  print_queue: "Print queue", reports_all: (n) => `All ${n}`, reports_unprinted: (n) => `To print ${n}`, none_unprinted: "Nothing waits to be printed.", printed_at: (t) => `printed ${t}`,
  tab_doubts: "To check", open_doubts: (n) => `${n}`, doubts: "Whose images", doubts_why: "All of these are kept; only whose they are is in doubt. Until it is checked no report is signed, and nothing is to be deleted on the device.", no_doubts: "Nothing to check.", nobody_named: "the images name nobody",
  a_or_b: "A or B?", a_or_b_why: (n) => `The same images came for two people (${n} of them). Whose are they?`, it_is: (w) => `It is ${w}`, b_is: "If it is B, the registration", b_is_nobody: "none", a_or_b_answered: (a) => `${a.by} said: it is ${a.which}`,
  doubt_confirm: "Checked: it is right", doubt_reason: "How it was checked", doubt_reason_hint: "e.g. saw the identity card; a sign was mistyped at the device", doubt_confirmed: (d) => `checked by ${d.confirmed_by}`, signing_waits: "the report waits", join: "Add to this patient's exam",
  doubt_id_check: "The citizen number is mistyped: its check sign does not fit", doubt_id_sex: "The sex contradicts the citizen number", doubt_id_birth: "The birth date contradicts the citizen number", doubt_study_date: "The study date cannot be right: look at the device's clock", doubt_study_old: "The study date is more than a year ago: an old exam, or the device's clock", doubt_no_patient_id: "There is no usable patient number", doubt_uid_reused: "Images of two people came under one study number", doubt_several_studies: "One exam seems to have come as several studies", doubt_study_per_image: "The device opens a study for each image", doubt_bad_uid: "A study or series number is missing or not valid", doubt_a_or_b: "The same images came twice for different people: the desk has to say whose they are", doubt_text_broken: "Names or texts could not be read in any character set",
};

export const language = signal(pick());

// ?lang=en beats what was chosen last, that beats Chinese.
function pick() {
  const asked = new URLSearchParams(location.search).get("lang") || localStorage.getItem("lang");
  return asked === "en" ? "en" : "zh";
}

export function swapLanguage() {
  language.value = language.value === "zh" ? "en" : "zh";
  localStorage.setItem("lang", language.value);
}

export function say(word, of) {
  const found = (language.value === "zh" ? zh : en)[word];
  return typeof found === "function" ? found(of) : found ?? word;
}

export const knows = (word) => word in (language.value === "zh" ? zh : en);

export function bytes(n) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let i = 0;
  for (; n >= 1000 && i < units.length - 1; i++) n /= 1000;
  return `${n < 10 && i > 0 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}

export function clockTime(us) {
  return new Date(us / 1000).toLocaleTimeString(language.value === "zh" ? "zh-CN" : "en-GB", { hour: "2-digit", minute: "2-digit" });
}

export function fullTime(us) {
  return us ? new Date(us / 1000).toLocaleString(language.value === "zh" ? "zh-CN" : "en-GB",
    { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" }) : "";
}
