// admin_words.js - words for administering, some of them also for supervising.
import { add } from "../../shared/words.js";

add(
  {
    accounts: "账号", organisations: "机构", doctors: "医师", agreements: "协议", new_account: "新建账号", organisation: "机构", roles: "角色",
    standing: "状态", active: "可用", disabled: "已停用", invited: "未开户", disable: "停用", enable: "恢复", reset: "重置", change_roles: "改角色", save: "保存",
    last_in: "首次登录", invitation_made: (login) => `已为 ${login} 生成一次性代码。请当面交给本人，在登录页选“凭邀请码开户”。只显示这一次。`,
    until: (t) => `有效期至 ${t}`, make: "生成邀请码", reset_sure: (login) => `${login} 的密码和验证器将作废，所有登录立即退出，并生成新的一次性代码。`,
    disable_sure: (login) => `停用 ${login}？所有登录立即退出。`, need_role: "至少选择一个角色", no_accounts: "没有账号", no_organisations: "没有机构", no_doctors: "没有医师",
    no_agreements: "没有协议", kind: "级别", province: "省", city: "市", county: "县", township: "乡镇", parent: "上级", licence: "执业证号", valid: "有效期",
    licensed_for: "执业范围", works_at: "执业机构", duty: "值班", on_duty: "在岗", off_duty: "不在岗", expired: "已过期", expiring: "60 天内到期", code: "编号", version: "版本",
    inviting: "邀请方", invited_party: "受邀方", turnaround: "时限", turnaround_is: (t) => `常规 ${t.routine} 分钟，急诊 ${t.emergency} 分钟`, alone: "单人急诊报告", yes: "允许", no: "不允许",
    read_only: "机构、医师和协议由 radpost-reader load 载入，此处只读。", tree: "本机构及下级", error_409: "已有同名账号，或状态已变化，请刷新后再试", error_400: "填写的内容不能用，请检查",
  },
  {
    accounts: "Accounts", organisations: "Organisations", doctors: "Doctors", agreements: "Agreements", new_account: "New account", organisation: "Organisation", roles: "Roles",
    standing: "State", active: "active", disabled: "disabled", invited: "not opened yet", disable: "Disable", enable: "Enable", reset: "Reset", change_roles: "Roles", save: "Save",
    last_in: "First sign-in", invitation_made: (login) => `A one-time code for ${login}. Hand it to the person; on the sign-in page they choose “I have an invitation code”. It is shown this once.`,
    until: (t) => `good until ${t}`, make: "Make an invitation", reset_sure: (login) => `Password and authenticator of ${login} become void, all sessions end, and there is a new one-time code.`,
    disable_sure: (login) => `Disable ${login}? All sessions end at once.`, need_role: "Choose one role at least", no_accounts: "No accounts", no_organisations: "No organisations",
    no_doctors: "No doctors", no_agreements: "No agreements", kind: "Level", province: "province", city: "city", county: "county", township: "township", parent: "Belongs to",
    licence: "Licence", valid: "Valid", licensed_for: "Licensed for", works_at: "Works at", duty: "Duty", on_duty: "on duty", off_duty: "off duty", expired: "expired", expiring: "ends within 60 days",
    code: "Code", version: "Version", inviting: "Inviting", invited_party: "Invited", turnaround: "Time limits", turnaround_is: (t) => `routine ${t.routine} min, emergency ${t.emergency} min`,
    alone: "Preliminary by one reader", yes: "allowed", no: "not allowed", read_only: "Organisations, doctors and agreements are loaded by radpost-reader load; here they are read only.",
    tree: "This organisation and below", error_409: "The login is taken, or something changed meanwhile; reload and try again", error_400: "Something filled in cannot be used; please check",
  },
);
