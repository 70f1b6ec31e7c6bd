// desk.mjs URL OUT [LANGUAGE] - open the desk in Debian's Chromium, wait for a study, check that nothing was refused
// by the Content-Security-Policy, and take its picture.
import { chromium } from "playwright-core";

const [url, out, language = "zh"] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});
const page = await browser.newPage({ viewport: { width: 1100, height: 760 }, colorScheme: "light" });
const complaints = [];
page.on("console", (line) => line.type() === "error" && complaints.push(line.text()));
page.on("pageerror", (error) => complaints.push(String(error)));
await page.goto(`${url}?lang=${language}`);
await page.waitForSelector(".study", { timeout: 20000 });
await page.screenshot({ path: out });
console.log((await page.innerText(".studies")).replace(/\s+/g, " "));
await browser.close();
if (complaints.length > 0) {
  console.error(complaints.join("\n"));
  process.exit(1);
}
