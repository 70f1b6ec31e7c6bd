// browser.mjs - Debian's Chromium for the tests: pages that tell what they complained of, axe-core, pictures.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const ARGS = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"];

export const PHONE = { width: 390, height: 844 };
export const SCREEN = { width: 1366, height: 820 };

export const launch = () => chromium.launch({ executablePath: "/usr/bin/chromium", args: ARGS });

// A page in a context (cookies, storage) of its own. page.complaints: what the console and the Content-Security-Policy
// had to say; answers of 4xx that a test asks for are not among them.
export async function open(browser, { viewport = SCREEN, scheme = "light", language = "zh-CN", isPhone = false } = {}) {
  const context = await browser.newContext({ viewport, colorScheme: scheme, locale: language, hasTouch: isPhone, isMobile: isPhone,
    deviceScaleFactor: 1, reducedMotion: "reduce" });
  await context.addInitScript((lang) => {
    if (!localStorage.getItem("lang")) localStorage.setItem("lang", lang);
  }, language);
  const page = await context.newPage();
  page.complaints = [];
  page.on("console", (line) => {
    if (line.type() === "error" && !/status of 4\d\d/.test(line.text())) page.complaints.push(line.text());
  });
  page.on("pageerror", (error) => page.complaints.push(String(error)));
  return page;
}

const axe = await readFile(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8");

// What axe-core calls serious or critical, as sentences; empty is good.
export async function faults(page, where) {
  if (!(await page.evaluate(() => Boolean(window.axe)))) await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return found.violations.filter((v) => v.impact === "serious" || v.impact === "critical")
    .flatMap((v) => v.nodes.map((node) => `${where}: ${v.id} (${v.impact}): ${node.target.join(" ")}: ${node.failureSummary.split("\n").slice(1).join(";")}`));
}

// Words of two elements of one line that touch: whoever joins them in the source drops the blank between them.
export const touching = (page, where) => page.evaluate((place) => {
  const seen = (e) => e.tagName !== "BUTTON" && e.innerText?.trim() && /^inline/.test(getComputedStyle(e).display) && getComputedStyle(e).position !== "absolute";
  const edges = (e) => [...e.getClientRects()].filter((r) => r.width > 0);
  return [...document.querySelectorAll("main *, header *, #desk *, dialog[open] *")].flatMap((e) => {
    const next = e.nextSibling;
    if (!(next instanceof HTMLElement) || !seen(e) || !seen(next)) return [];
    const [last, first] = [edges(e).at(-1), edges(next)[0]];
    if (!last || !first || Math.min(last.bottom, first.bottom) - Math.max(last.top, first.top) < 8) return [];
    const gap = first.left - last.right;
    return gap < 2 && gap > -2 && /[\p{L}\p{N})）]$/u.test(e.innerText.trim()) && /^[\p{L}\p{N}(（]/u.test(next.innerText.trim())
      ? [`${place}: "${e.innerText.trim().slice(-20)}" touches "${next.innerText.trim().slice(0, 20)}"`] : [];
  });
}, where);

// Switch language or theme as a user does: no new page, no new session.
export async function speak(page, language) {
  const now = await page.evaluate(() => document.documentElement.lang);
  if (now !== language) await page.getByRole("button", { name: language === "en" ? "English" : "中文", exact: true }).first().click();
  await page.waitForFunction((lang) => document.documentElement.lang === lang, language);
}

export async function paint(page, scheme) {
  await page.emulateMedia({ colorScheme: scheme });
  await page.waitForFunction((name) => (document.documentElement.dataset.theme || name) === name, scheme);
}
