// theme.js - light, dark, or as the system says; kept in this browser. A page for a dark room asks for dark itself.
import { effect, signal } from "@preact/signals";
import { keep, kept } from "./words.js";

export const theme = signal(kept("theme") || "system");
export const isDarkRoom = signal(false);

const system = matchMedia("(prefers-color-scheme: dark)");
const isSystemDark = signal(system.matches);
system.addEventListener("change", () => (isSystemDark.value = system.matches));

export const isDark = () =>
  isDarkRoom.value || theme.value === "dark" || (theme.value === "system" && isSystemDark.value);

export function swapTheme() {
  theme.value = isDark() ? "light" : "dark";
  keep("theme", theme.value);
}

effect(() => {
  document.documentElement.dataset.theme = isDark() ? "dark" : "light";
});
