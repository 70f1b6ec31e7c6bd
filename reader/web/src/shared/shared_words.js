// shared_words.js - words that staff and patient pages have in common.
import { add } from "./words.js";

add(
  {
    radpost: "影驿", colon: "：", light: "浅色", dark: "深色", unreachable: "连不上服务器，请检查网络后再试", quote: (id) => `（编号 ${id}）`,
    error_403: "您没有这样做的权限", error_404: "没有找到", error_429: "尝试次数过多，请稍后再试", error_500: "服务器出错，请稍后再试",
    error_503: "服务器忙，请稍后再试", cancel: "取消", close: "关闭", back: "返回", loading: "正在读取…",
  },
  {
    radpost: "Radpost", light: "Light", dark: "Dark", unreachable: "The server cannot be reached. Check the network and try again.",
    colon: ": ", quote: (id) => ` (quote ${id})`, error_403: "You may not do this", error_404: "Not found",
    error_429: "Too many tries; please wait a while", error_500: "The server failed; please try again later",
    error_503: "The server is busy; please try again later", cancel: "Cancel", close: "Close", back: "Back", loading: "Loading…",
  },
);
