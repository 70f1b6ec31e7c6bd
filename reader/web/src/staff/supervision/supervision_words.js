// supervision_words.js - words of the supervisor's page; every figure says what it counts.
import { add } from "../../shared/words.js";

add(
  {
    board_open: "未完成", board_open_is: "尚未签发、更正或作废的检查", board_overdue: "已超时", board_overdue_is: "超过协议时限仍未签发", board_emergency: "急诊未完成",
    board_emergency_is: "其中标为急诊的", board_late: "有补传图像", board_late_is: "签发后又到图像，报告未覆盖", board_signed: "已签发", board_signed_is: "列表中已签发或已更正的",
    board_uncovered: "无协议", board_uncovered_is: "没有有效协议，无人阅片", by_clinic: "各机构", overdue_list: "已超时的检查", none_overdue: "没有超时的检查", oldest: "最早到达", audit: "审计记录",
    no_audit: "没有记录", at: "时间", actor: "谁", event: "事件", subject: "对象", own_only: "只显示本机构及下级机构。此页只读。", audit_refused: "审计记录不能读取",
    gateways: "前置机", gateway: "前置机", heard: "最近联系", parts_away: "没有运行的部分", parts_untold: "未上报（旧版本）", parts_run: "全部运行", silent: "没有联系已", two_boxes: "两台机器用同一证书", no_gateways: "还没有前置机联系过",
    database_full: "数据库的磁盘已满：收图、分派、签发、登录都不能保存。请管理员腾出空间，之后自动继续；前置机会等，图像不会丢失",
    part_conf: "配置文件有误", part_dicom_tls: "DICOM 加密端口", part_hl7: "接收医院申请的端口（HL7）", part_his: "报告回传医院系统", part_import: "导入文件夹", part_import_start: "文件导入", part_commit: "存储确认和查询",
    part_audit: "工作台的操作记录（旧的已另存）",
  },
  {
    board_open: "Open", board_open_is: "not signed, amended or withdrawn yet", board_overdue: "Overdue", board_overdue_is: "past the agreement's time limit and not signed", board_emergency: "Emergencies open",
    board_emergency_is: "of these, marked as emergencies", board_late: "Late images", board_late_is: "came after signing, not covered by the report", board_signed: "Signed",
    board_signed_is: "signed or amended, in this list", board_uncovered: "No agreement", board_uncovered_is: "no agreement in force, nobody reads it", by_clinic: "By clinic", overdue_list: "Overdue reads",
    none_overdue: "Nothing is overdue", oldest: "Oldest", audit: "Audit trail", no_audit: "No entries", at: "When", actor: "Who", event: "Event", subject: "About",
    own_only: "This organisation and those below it only. Nothing can be changed here.", audit_refused: "The audit trail cannot be read",
    gateways: "Gateways", gateway: "Gateway", heard: "Last heard", parts_away: "What does not run", parts_untold: "not told (older version)", parts_run: "all runs", silent: "silent for", two_boxes: "two boxes with one certificate", no_gateways: "No gateway has called yet",
    database_full: "The database's disk is full: nothing can be received, assigned, signed or signed in to until the administrator makes room; then it goes on by itself. Gateways wait, no image is lost",
    part_conf: "mistake in gateway.conf", part_dicom_tls: "DICOM port over TLS", part_hl7: "port for the HIS's orders (HL7)", part_his: "reports to the hospital's systems", part_import: "import folder", part_import_start: "import of files", part_commit: "storage commitment and queries",
    part_audit: "the desk's audit log (the old one was set aside)",
  },
);
