// orders_words.js - words of the page where a doctor orders an examination at a clinic.
import { add } from "../../shared/words.js";

add(
  {
    ord_title: "开检查申请", ord_at: "检查地点（诊所）", ord_patient: "患者姓名", ord_citizen: "身份证号", ord_citizen_hint: "没有可不填；填了自动带出性别和生日",
    ord_modality: "检查类型", ord_any: "任何设备", ord_description: "检查项目", ord_description_hint: "如 胸部平扫", ord_phone: "患者电话",
    ord_history: "病史与目的", ord_urgent: "急诊", ord_reason: "急在哪里", ord_send: "发给诊所", ord_sent: "已发出；诊所设备的工作列表上会出现。",
    ord_list: "开出的申请", ord_none: "还没有开过申请。", ord_when: "时间", ord_what: "项目", ord_state: "状态", ord_arrived: (at) => `诊所已收到 ${at}`,
    ord_on_way: "在路上：等诊所上线", ord_cancelled: "已撤回", ord_take_back: "撤回", ord_no_clinic: "没有生效的协议邀请您所在的单位。",
    ord_incomplete: "请填地点、姓名和检查项目；急诊要写原因。", ord_by: "开单人",
  },
  {
    ord_title: "Order an examination", ord_at: "At the clinic", ord_patient: "Patient's name", ord_citizen: "Citizen number",
    ord_citizen_hint: "May be left out; it tells sex and birth date", ord_modality: "Kind", ord_any: "Any device", ord_description: "Examination",
    ord_description_hint: "such as Chest, plain", ord_phone: "Patient's phone", ord_history: "History and question", ord_urgent: "Emergency",
    ord_reason: "Why it is urgent", ord_send: "Send to the clinic", ord_sent: "Sent; it will stand on the worklists of the clinic's devices.",
    ord_list: "Orders sent", ord_none: "No orders yet.", ord_when: "When", ord_what: "Examination", ord_state: "State",
    ord_arrived: (at) => `At the clinic since ${at}`, ord_on_way: "On its way: waits for the clinic's line", ord_cancelled: "Taken back",
    ord_take_back: "Take back", ord_no_clinic: "No agreement in force invites your organisation.",
    ord_incomplete: "Clinic, name and examination are due; an emergency needs its reason.", ord_by: "Ordered by",
  },
);
