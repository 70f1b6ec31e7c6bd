// worklist_words.js - words of the worklist, also used by the supervisor's pages.
import { add } from "../../shared/words.js";
import { span } from "../../shared/times.js";

add(
  {
    state_unagreed: "无协议覆盖", state_waiting: "待分派", state_assigned: "已分派", state_claimed: "阅片中", state_drafted: "书写中",
    state_written: "待审核", state_reviewed: "待签发", state_preliminary: "急诊报告已发", state_signed: "已签发", state_amended: "已更正", state_withdrawn: "已作废",
    emergency: "急诊", routine: "常规", in_doubt: "归属存疑", is_late: "补传图像", covers: (r) => `报告只覆盖 ${r.covered}/${r.received} 幅`, looked: "补看过，报告不变",
    received: (s) => `收到 ${s.n} 幅${s.announced ? `，设备报 ${s.announced} 幅` : s.isAsked ? "，应有几幅未知" : ""}`, whole: (r) => (r.whole >= r.received ? "原图已全部到齐" : `原图 ${r.whole}/${r.received} 幅，其余为预览`),
    due_in: (m) => `剩 ${span(m)}`, overdue: (m) => `已超时 ${span(m)}`, no_due: "无时限", done: "已完成", since: (m) => (m < 1 ? "刚刚到达" : `${span(m)}前到达`),
    patient: "患者", exam: "检查", images: "图像", state: "状态", due: "时限", reader: "医师", clinic: "机构", urgency: "缓急",
    assigned_to: (name) => `分派给 ${name}`, claimed_by: (name) => `${name} 正在阅片`, nobody: "尚未分派", why: "分派理由",
    show: "显示", show_open: "未完成", show_review: "待审核与签发", show_signed: "已签发", show_all: "全部", modality: "设备类型", any: "全部",
    mine: "只看我的", find: "查找", find_hint: "姓名、机构、检查", no_reads: "没有符合条件的检查", keys: "J / K 上下移动 · Enter 打开 · / 查找",
    is_old: "与服务器的连接断开，列表可能已过时，正在重连", count: (n) => `${n} 项`, male: "男", female: "女", sex_other: "性别不详", open_read: "打开",
    urgent_by: (r) => [r.urgency_reason, r.urgency_by].filter(Boolean).join(" · "), on_the_line: (s) => [`${s.whole}/${s.offered}`, s.seconds_left >= 0 && (s.seconds_left < 60 ? `剩 ${s.seconds_left} 秒` : `剩 ${span(Math.ceil(s.seconds_left / 60))}`)].filter(Boolean).join(" · "), progress_of: "传送进度",
    unnamed: "无姓名", provisional: "临时", only_course: "管理员只看状态，不看图像与报告",
  },
  {
    state_unagreed: "No agreement", state_waiting: "Waiting", state_assigned: "Assigned", state_claimed: "Being read", state_drafted: "Being written",
    state_written: "To be reviewed", state_reviewed: "To be signed", state_preliminary: "Preliminary out", state_signed: "Signed",
    state_amended: "Amended", state_withdrawn: "Withdrawn", emergency: "Emergency", routine: "Routine", in_doubt: "Identity in doubt", is_late: "Late images",
    covers: (r) => `report covers ${r.covered} of ${r.received}`, looked: "looked again, it stands", received: (s) => (s.announced ? `${s.n} of ${s.announced} expected` : `${s.n} received${s.isAsked ? ", number unknown" : ""}`),
    whole: (r) => (r.whole >= r.received ? "all originals are here" : `originals ${r.whole} of ${r.received}, the rest are previews`),
    due_in: (m) => `${span(m)} left`, overdue: (m) => `${span(m)} overdue`, no_due: "no time limit", done: "done", since: (m) => (m < 1 ? "arrived just now" : `arrived ${span(m)} ago`),
    patient: "Patient", exam: "Examination", images: "Images", state: "State", due: "Due", reader: "Reader", clinic: "Clinic", urgency: "Urgency",
    assigned_to: (name) => `assigned to ${name}`, claimed_by: (name) => `${name} is reading it`, nobody: "nobody yet", why: "Why",
    show: "Show", show_open: "Open", show_review: "To review and sign", show_signed: "Signed", show_all: "All", modality: "Modality", any: "Any",
    mine: "Mine only", find: "Find", find_hint: "Name, clinic, examination", no_reads: "Nothing matches", keys: "J / K move · Enter opens · / finds",
    is_old: "The line to the server is broken; this list may be old. Trying again.", count: (n) => (n === 1 ? "1 read" : `${n} reads`),
    male: "male", female: "female", sex_other: "sex unknown", urgent_by: (r) => [r.urgency_reason, r.urgency_by].filter(Boolean).join(" · "), on_the_line: (s) => [`${s.whole} of ${s.offered}`, s.seconds_left >= 0 && (s.seconds_left < 60 ? `${s.seconds_left} s left` : `${span(Math.ceil(s.seconds_left / 60))} left`)].filter(Boolean).join(" · "), progress_of: "On the line",
    open_read: "Open", unnamed: "No name", provisional: "Provisional",
    only_course: "Administrators see states, not images or reports",
  },
);
