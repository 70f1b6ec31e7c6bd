// staff_words.js - words of the staff shell: signing in, the bar on top, one's own account.
import { add } from "../shared/words.js";

add(
  {
    staff_title: "远程阅片", sign_in: "登录", sign_out: "退出", login: "账号", password: "密码", login_hint: "小写字母、数字、. _ - @",
    totp: "动态验证码", totp_hint: "打开手机上的验证器，输入 6 位数字", session_ended: "登录已结束（超时，或已在别处退出），请重新登录。正在写的报告保存在本机，登录后自动恢复。", wrong_login: "账号或密码不对",
    wrong_totp: "动态验证码不对或已过期，请输入最新的 6 位数字", first_admin: "首位管理员开户", invitation: "凭邀请码开户",
    first_admin_hint: "控制台上用 radpost-reader first-admin 打印的一次性代码", invitation_hint: "管理员交给您的一次性代码",
    one_time_code: "一次性代码", name: "姓名", new_password: "新密码（至少 12 位）", create: "开户",
    created: (login) => `账号 ${login} 已开通。请现在就把密钥加到验证器里，此页关闭后不再显示。`,
    totp_secret: "验证器密钥", otpauth: "在本机验证器中打开", go_sign_in: "去登录", code_refused: "一次性代码不对、已用过或已过期",
    worklist: "工作列表", orders: "开检查申请", admin: "管理", supervision: "监管", account: "我的账号", no_page: "没有这个页面", demo: "演示账号", skip: "跳到内容",
    technician: "技师", doctor: "医师", reviewer: "审核医师", administrator: "管理员", supervisor: "监管员", main_menu: "主菜单",
    reload: "页面没有读完整，请重新打开", change_password: "修改密码", old_password: "现在的密码", wrong_old: "现在的密码不对",
    change_ends: "修改后，所有设备上都要重新登录。", demo_password: "演示账号的密码不能修改。",
  },
  {
    staff_title: "Remote reading", sign_in: "Sign in", sign_out: "Sign out", login: "Account", password: "Password", login_hint: "lower case letters, digits, . _ - @",
    totp: "One-time number", totp_hint: "The six digits your authenticator shows now", session_ended: "You were signed out (after a while without work, or elsewhere). Sign in again: a report you were writing is kept on this machine and comes back.", wrong_login: "Account or password is wrong",
    wrong_totp: "The one-time number is wrong or old; enter the newest six digits", first_admin: "First administrator", invitation: "I have an invitation code",
    first_admin_hint: "The one-time code that radpost-reader first-admin printed on the console", invitation_hint: "The one-time code your administrator gave you",
    one_time_code: "One-time code", name: "Name", new_password: "New password (12 characters or more)", create: "Open the account",
    created: (login) => `The account ${login} is open. Add the secret to your authenticator now; it is not shown again.`,
    totp_secret: "Authenticator secret", otpauth: "Open in this device's authenticator", go_sign_in: "Go and sign in",
    code_refused: "The code is wrong, used or too old", worklist: "Worklist", orders: "Order an examination", admin: "Administration", supervision: "Supervision",
    account: "My account", no_page: "There is no such page", demo: "Demo account", skip: "Skip to the content", technician: "Technician",
    doctor: "Doctor", reviewer: "Reviewer", administrator: "Administrator", supervisor: "Supervisor", main_menu: "Main menu",
    reload: "The page did not load whole; please open it again", change_password: "Change the password", old_password: "Present password",
    wrong_old: "The present password is wrong", change_ends: "All your sessions end; sign in again everywhere.", demo_password: "A demo account keeps its password.",
  },
);
