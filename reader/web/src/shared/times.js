// times.js - times as people read them, in the page's language and the reader's zone.
import { language } from "./words.js";

const format = (options) => (iso) => (iso ? new Date(iso).toLocaleString(language.value === "en" ? "en-GB" : "zh-CN", options) : "");

export const clockTime = format({ hour: "2-digit", minute: "2-digit" });
export const dayTime = format({ month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" });
export const fullTime = format({ year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" });
export const fullDay = format({ year: "numeric", month: "2-digit", day: "2-digit" });

// "20260301" or "2026-03-01" as a date of the calendar, no zone.
export function plainDay(text) {
  const m = /^(\d{4})-?(\d\d)-?(\d\d)/.exec(text || "");
  return m ? `${m[1]}-${m[2]}-${m[3]}` : "";
}

const AGES = { Y: ["岁", " y"], M: ["个月", " months"], W: ["周", " weeks"], D: ["天", " days"] };

// An age as DICOM writes it (045Y), or a number of years; "" is neither.
export function ageText(age) {
  const m = /^0*(\d+)([YMWD]?)$/.exec(String(age ?? ""));
  return m ? `${m[1]}${AGES[m[2] || "Y"][language.value === "en" ? 1 : 0]}` : "";
}

// Minutes until (positive) or since (negative) a time.
export const minutesTo = (iso, now = Date.now()) => Math.round((new Date(iso).getTime() - now) / 60000);

export function span(minutes) {
  const m = Math.abs(minutes);
  const zh = language.value !== "en";
  if (m < 60) return zh ? `${m} 分钟` : `${m} min`;
  if (m < 48 * 60) return zh ? `${Math.floor(m / 60)} 小时${m % 60 ? ` ${m % 60} 分` : ""}` : `${Math.floor(m / 60)} h${m % 60 ? ` ${m % 60} min` : ""}`;
  return zh ? `${Math.floor(m / 1440)} 天` : `${Math.floor(m / 1440)} days`;
}
