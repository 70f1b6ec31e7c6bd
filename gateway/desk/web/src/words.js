// words.js - every word on the page, Chinese first. A value is a text or a function of what the state tells.
import { signal } from "@preact/signals";

const zh = {
  title: "影像上传台", other: "English", updated: "更新于", offline: "本机服务没有回应,页面显示的是旧内容",
  lamps: "状态", devices: "设备", line: "线路", disk: "磁盘", clock: "时钟", certificate: "证书",
  DEVICES_NONE: () => "尚未登记设备", DEVICES_HEARD: (l) => `${l.heard} 台设备已发图`,
  DEVICES_QUIET: (l) => `已登记 ${l.known} 台,启动后未发图`, DEVICES_REFUSED: (l) => `有 ${l.refused} 台未登记的设备被拒绝,见下`,
  LINE_UP: (l) => (l.waiting ? `通,还有 ${l.waiting} 幅待传` : "通,全部传完"), LINE_TRYING: () => "正在连接中心",
  LINE_DOWN: (l) => `断开,${l.waiting} 幅安全存在本机,会自动续传`,
  LINE_DOWN_LONG: (l) => `断开超过 10 分钟,${l.waiting} 幅安全存在本机;请检查网络`,
  LINE_REFUSED: () => "中心不接受本机证书,请联系管理员", LINE_NOT_ENROLLED: () => "本机尚未登记到中心,请联系管理员",
  DISK_FINE: (l) => `余 ${bytes(l.free_bytes)}`, DISK_WARN: (l) => `只余 ${bytes(l.free_bytes)},请通知管理员`,
  DISK_SLOW: (l) => `只余 ${bytes(l.free_bytes)},接收已放慢`, DISK_REFUSE: () => "磁盘已满,暂不能接收图像!",
  DISK_SICK: () => "磁盘写入出错,请立即通知管理员", CLOCK_FINE: () => "准确", CLOCK_UNKNOWN: () => "尚未与中心核对",
  CLOCK_OFF: (l) => `与中心相差 ${Math.round(Math.abs(l.offset_ms) / 1000)} 秒`,
  CLOCK_WRONG: (l) => `与中心相差 ${Math.round(Math.abs(l.offset_ms) / 1000)} 秒,请校时`,
  CERTIFICATE_FINE: (l) => `还有 ${l.days} 天`, CERTIFICATE_UNKNOWN: () => "尚无",
  CERTIFICATE_SOON: (l) => `还有 ${l.days} 天到期`, CERTIFICATE_ENDING: (l) => `${l.days} 天后到期,请联系管理员`,
  CERTIFICATE_ENDED: () => "已过期,请联系管理员",
  studies: "今日检查", none: "今天还没有收到检查。设备发送后会立即出现在这里。", older: (n) => `另有 ${n} 项较早的检查未列出`,
  images: (s) => (s.is_closed ? `收到 ${s.total} 幅(设备未说明应有几幅)` : `收到 ${s.total} 幅`),
  attention: (s) => `${s.counts.quarantined} 幅需要人工处理,请联系管理员;请勿在设备上删除`,
  receiving: () => "正在接收", sending: (s) => `正在上传:${s.at_centre}/${s.total} 幅已到中心`,
  looked: (s) => `中心已可预览,原图上传中:${s.at_centre}/${s.total}`, held: () => "中心已收全,正在存两份",
  safe: () => "已存两份并核对", delete_yes: "可以在设备上删除", delete_no: "请勿在设备上删除", close: "本次检查已拍完",
  set_aside: (n) => `共有 ${n} 幅图像无法处理或与已存图像矛盾,已单独保存、未丢失。请联系管理员,并勿在设备上删除。`,
  refused: "被拒绝的设备", refused_why: "这些设备没有登记,图像没有收下。请管理员登记后在设备上重发。",
  called_wrong: (r) => `把对方名称(AE)设成了“${r.called}”`, times: (n) => `${n} 次`,
};

const en = {
  title: "Image desk", other: "中文", updated: "as of", offline: "This gateway does not answer; what you see is old",
  lamps: "Lamps", devices: "Devices", line: "Line", disk: "Disk", clock: "Clock", certificate: "Certificate",
  DEVICES_NONE: () => "no device is enrolled yet", DEVICES_HEARD: (l) => `${l.heard} sending`,
  DEVICES_QUIET: (l) => `${l.known} enrolled, none has sent since the start`,
  DEVICES_REFUSED: (l) => `${l.refused} unknown refused, see below`,
  LINE_UP: (l) => (l.waiting ? `up, ${l.waiting} images still to go` : "up, everything has gone"),
  LINE_TRYING: () => "reaching the centre", LINE_DOWN: (l) => `down; ${l.waiting} images are safe here and will go by themselves`,
  LINE_DOWN_LONG: (l) => `down for over ten minutes; ${l.waiting} images are safe here; please check the network`,
  LINE_REFUSED: () => "the centre refuses our certificate; call the administrator",
  LINE_NOT_ENROLLED: () => "not enrolled with the centre; call the administrator",
  DISK_FINE: (l) => `${bytes(l.free_bytes)} free`, DISK_WARN: (l) => `only ${bytes(l.free_bytes)} free; tell the administrator`,
  DISK_SLOW: (l) => `only ${bytes(l.free_bytes)} free; devices are slowed down`, DISK_REFUSE: () => "full: no images can be taken!",
  DISK_SICK: () => "writing fails; call the administrator now", CLOCK_FINE: () => "right", CLOCK_UNKNOWN: () => "not compared yet",
  CLOCK_OFF: (l) => `${Math.round(Math.abs(l.offset_ms) / 1000)} s off`,
  CLOCK_WRONG: (l) => `${Math.round(Math.abs(l.offset_ms) / 1000)} s off; please set it`,
  CERTIFICATE_FINE: (l) => `${l.days} days left`, CERTIFICATE_UNKNOWN: () => "none yet",
  CERTIFICATE_SOON: (l) => `ends in ${l.days} days`, CERTIFICATE_ENDING: (l) => `ends in ${l.days} days; call the administrator`,
  CERTIFICATE_ENDED: () => "has ended; call the administrator",
  studies: "Today's studies", none: "Nothing has arrived today. A study appears here as soon as a device sends it.",
  older: (n) => `${n} older studies are not listed`,
  images: (s) => (s.is_closed ? `${s.total} received, number unknown` : `${s.total} received`),
  attention: (s) => `${s.counts.quarantined} need a person: call the administrator; do not delete on the device`,
  receiving: () => "being received", sending: (s) => `uploading: ${s.at_centre} of ${s.total} at the centre`,
  looked: (s) => `first look at the centre, the rest is uploading: ${s.at_centre} of ${s.total}`,
  held: () => "whole at the centre, being stored twice", safe: () => "stored twice and verified",
  delete_yes: "safe to delete on the device", delete_no: "do not delete on the device", close: "that was all of it",
  set_aside: (n) => `${n} images could not be handled or contradict what is kept; they are kept aside, nothing is lost. Call the administrator and do not delete them on the device.`,
  refused: "Devices refused", refused_why: "These are not enrolled; their images were not taken. Enrol them, then send again.",
  called_wrong: (r) => `calls us “${r.called}”`, times: (n) => `${n} times`,
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

export function bytes(n) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let i = 0;
  for (; n >= 1000 && i < units.length - 1; i++) n /= 1000;
  return `${n < 10 && i > 0 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}

export function clockTime(us) {
  return new Date(us / 1000).toLocaleTimeString(language.value === "zh" ? "zh-CN" : "en-GB", { hour: "2-digit", minute: "2-digit" });
}
