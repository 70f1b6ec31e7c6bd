// audit_words.js - the events of the audit trail (proto/trust/audit_events.def, every row) as a person reads them.
import { add } from "../../shared/words.js";

add(
  {
    AUDIT_OPENED: "服务启动，审计记录开始", AUDIT_CLOSED: "服务正常停止", AUDIT_RECOVERED: "异常停机后恢复，未确认的末尾已另存", AUDIT_SEALED: "此前的记录已签名",
    AUDIT_DAY_CLOSED: "一天结束，当日记录已签名", AUDIT_ARRIVED: "图像到达并存妥", AUDIT_QUARANTINED: "图像与已存的矛盾，已单独保存", AUDIT_STUDY_SEALED: "检查的新图像已存齐各份并核对",
    AUDIT_QUERIED: "查询", AUDIT_RETRIEVED: "调阅图像", AUDIT_PREVIEWED: "看了尚未到齐的检查", AUDIT_REFUSED: "被拒绝", AUDIT_CODE_MADE: "生成一次性代码", AUDIT_ENROLLED: "设备登记，取得证书",
    AUDIT_RENEWED: "设备更新证书", AUDIT_REVOKED: "设备或令牌作废", AUDIT_TOKEN_MADE: "生成令牌", AUDIT_TENANT_CHANGED: "机构、AE 标题或权限变更", AUDIT_SIGNED_IN: "登录",
    AUDIT_SIGN_IN_FAILED: "登录失败", AUDIT_SIGNED_OUT: "退出", AUDIT_ACCOUNT_MADE: "新建账号", AUDIT_ACCOUNT_CHANGED: "账号变更", AUDIT_PASSWORD_SET: "设置密码", AUDIT_AUDIT_READ: "查看审计记录",
    AUDIT_REPORT_SIGNED: "签发报告", AUDIT_REPORT_WITHDRAWN: "作废报告", AUDIT_REPORT_EXPORTED: "导出或打印报告", AUDIT_PATIENT_ENTERED: "患者凭检查单和手机进入", AUDIT_PATIENT_LOOKED: "患者查看报告或图像",
    AUDIT_READ_CLAIMED: "医师领取", AUDIT_CLINIC_CALLED: "医师呼叫诊所", AUDIT_EXAM_ORDERED: "医师开出或撤回检查申请", AUDIT_DOUBT_CONFIRMED: "医师确认图像归属", AUDIT_URGENCY_CHANGED: "诊所改变缓急",
    AUDIT_IMAGES_ABSENT: "诊所说明有图像不会再来，或还要再等", AUDIT_IMAGES_LOST: "说明图像永久丢失", AUDIT_PACK_LOST: "各份存储均无完好图像，正在索要", AUDIT_PACK_BACK: "丢失的图像已在存储中找回", AUDIT_ASIDE_REJECTED: "中心隔离的图像已处理，不予采用", AUDIT_AUTHORITY_ACCEPTED: "签名机构的密钥丢失，改用另一套签发", AUDIT_ALARM_SEEN: "诊所已知晓警报", AUDIT_IMAGE_DISCARDED: "丢弃单独保存的图像", AUDIT_IMAGE_RESTORED: "取回丢弃的图像",
    AUDIT_REGISTRATION_CORRECTED: "诊所更正登记", AUDIT_REPORT_STANDS: "补看补传图像，报告不变", AUDIT_POLICY_SET: "对前置机的要求变更", AUDIT_RECONCILED: "与前置机核对，有差异", AUDIT_LANDING_FORGOTTEN: "清除久未续传的残余",
  },
  {
    AUDIT_OPENED: "service started, trail opened", AUDIT_CLOSED: "service stopped in order", AUDIT_RECOVERED: "recovered after a crash", AUDIT_SEALED: "entries before this are signed",
    AUDIT_DAY_CLOSED: "day ended and signed", AUDIT_ARRIVED: "image arrived, durable", AUDIT_QUARANTINED: "image contradicts what is kept: put aside", AUDIT_STUDY_SEALED: "study's new images in every copy, read back",
    AUDIT_QUERIED: "searched", AUDIT_RETRIEVED: "looked at or took images", AUDIT_PREVIEWED: "looked at a study that was not whole", AUDIT_REFUSED: "refused", AUDIT_CODE_MADE: "one-time code made",
    AUDIT_ENROLLED: "device enrolled", AUDIT_RENEWED: "device renewed its certificate", AUDIT_REVOKED: "device or token revoked", AUDIT_TOKEN_MADE: "token made", AUDIT_TENANT_CHANGED: "organisation, AE title or right changed",
    AUDIT_SIGNED_IN: "signed in", AUDIT_SIGN_IN_FAILED: "sign-in failed", AUDIT_SIGNED_OUT: "signed out", AUDIT_ACCOUNT_MADE: "account made", AUDIT_ACCOUNT_CHANGED: "account changed", AUDIT_PASSWORD_SET: "password set",
    AUDIT_AUDIT_READ: "read the audit trail", AUDIT_REPORT_SIGNED: "signed a report", AUDIT_REPORT_WITHDRAWN: "withdrew a report", AUDIT_REPORT_EXPORTED: "exported or printed a report",
    AUDIT_PATIENT_ENTERED: "patient came in with slip and phone", AUDIT_PATIENT_LOOKED: "patient looked at report or images", AUDIT_READ_CLAIMED: "doctor claimed a read", AUDIT_CLINIC_CALLED: "doctor called the clinic",
    AUDIT_EXAM_ORDERED: "doctor ordered an examination, or took it back", AUDIT_DOUBT_CONFIRMED: "doctor confirmed whose images", AUDIT_URGENCY_CHANGED: "clinic changed the urgency",
    AUDIT_IMAGES_ABSENT: "clinic: images will not come, or may", AUDIT_IMAGES_LOST: "images said to be lost for good", AUDIT_PACK_LOST: "images good in no copy, asked for again", AUDIT_PACK_BACK: "missing images found in a store again", AUDIT_ASIDE_REJECTED: "image put aside at the centre rejected", AUDIT_AUTHORITY_ACCEPTED: "signing authority lost: another one signs", AUDIT_ALARM_SEEN: "clinic has seen an alarm", AUDIT_IMAGE_DISCARDED: "image that was put aside discarded", AUDIT_IMAGE_RESTORED: "discarded image taken back",
    AUDIT_REGISTRATION_CORRECTED: "clinic corrected a registration", AUDIT_REPORT_STANDS: "looked at late images: the report stands", AUDIT_POLICY_SET: "what gateways are told changed", AUDIT_RECONCILED: "compared with a gateway: something differed", AUDIT_LANDING_FORGOTTEN: "remains of an old upload removed",
  },
);
