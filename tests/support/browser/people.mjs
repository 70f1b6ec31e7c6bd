// people.mjs - what people do on Radpost's pages, for scenarios and pictures: sign in, register, read, fetch. Words are
// those on the Chinese pages; addresses and accounts come from addresses.env.
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export const site = {
  desk: process.env.RADPOST_GATEWAY_DESK_URL.replace(/\/$/, ""),
  reader: process.env.RADPOST_READER_URL?.replace(/\/$/, ""),
  patient: process.env.RADPOST_PATIENT_URL?.replace(/\/$/, ""),
  outbox: process.env.RADPOST_OUTBOX_DIR,
  account: (who) => [process.env[`RADPOST_${who}_USER`], process.env[`RADPOST_${who}_PASSWORD`]],
};

export function must(isTrue, claim) {
  if (!isTrue) throw new Error(claim);
}

// ---- messages to phones ----

const messages = () => readdirSync(site.outbox).filter((name) => name.endsWith(".txt")).sort()
  .map((name) => ({ name, ...JSON.parse(readFileSync(join(site.outbox, name), "utf8")) }));

export const lastMessage = () => messages().at(-1)?.name ?? "";

// The message that came after the one named; poll, for another process writes it.
export async function messageAfter(name, wanted, seconds = 20) {
  const until = Date.now() + seconds * 1000;
  for (;;) {
    const found = messages().filter((m) => m.name > name && wanted.test(m.text)).at(-1);
    if (found) return found;
    must(Date.now() < until, `no message ${wanted} within ${seconds} s`);
    await new Promise((done) => setTimeout(done, 100));
  }
}

export const CODE = /(?<!\d)(\d{6})(?!\d)/;

// ---- staff ----

export async function signIn(page, who) {
  const [user, password] = site.account(who);
  await page.goto(`${site.reader}/`);
  await page.fill("[name=user]", user);
  await page.fill("[name=password]", password);
  await page.click("button[type=submit]");
  await page.waitForSelector("header.bar nav");
}

export const rowOf = (page, study) => page.locator(`tr[data-study="${study}"]`);

// Open a read from the worklist with the keyboard alone.
export async function openByKeys(page, study) {
  await page.goto(`${site.reader}/#/worklist`);
  await rowOf(page, study).waitFor({ timeout: 30000 });
  for (let i = 0; i < 200; i++) {
    await page.keyboard.press("j");
    const at = await page.evaluate(() => document.activeElement.closest("tr")?.dataset.study);
    if (at === study) break;
  }
  await page.keyboard.press("Enter");
  await page.waitForSelector("main.reading");
}

// ---- files that were sent ----

const tag = (file, name) => /\[([0-9.]+)/.exec(execFileSync("dcmdump", ["-q", "-Un", "+P", name, file], { encoding: "utf8" }))?.[1];

// The file of an instance among those that were sent.
export function fileOf(folder, sop) {
  const files = readdirSync(folder).map((name) => join(folder, name));
  const found = files.find((file) => tag(file, "0008,0018") === sop);
  must(found, "the page shows an image that nobody sent");
  return found;
}
export const instanceOf = (file) => tag(file, "0008,0018");
export const studyOf = (folder) => tag(join(folder, readdirSync(folder)[0]), "0020,000d");

// ---- the desk ----

// "DESK" (technician), "DESK_ADMIN", "ENGINEER"; a page that is signed in already stays so.
export async function openDesk(page, place, who = "DESK") {
  await page.goto(`${site.desk}/#/${place}`);
  await page.waitForSelector("form.door, .lamps", { timeout: 20000 });
  if (!(await page.$("form.door"))) return;
  const [login, password] = site.account(who);
  await page.fill("[name=login]", login);
  await page.fill("[name=password]", password);
  await page.click("form.door button[type=submit]");
  await page.waitForSelector(".lamps", { timeout: 20000 });
}

export async function register(page, patient) {
  await openDesk(page, "register");
  await page.waitForSelector("form.register");
  await page.fill("[name=name]", patient.name);
  if (patient.citizen_id) await page.fill("[name=citizen_id]", patient.citizen_id);
  if (!patient.citizen_id) {
    await page.selectOption("[name=sex]", patient.sex);
    await page.fill("[name=birth]", patient.birth);
  }
  await page.fill("[name=phone]", patient.phone ?? "");
  await page.selectOption("[name=modality]", patient.modality);
  for (const name of ["side", "view", "consent"]) if (patient[name]) await page.selectOption(`[name=${name}]`, patient[name]);
  await page.fill("[name=complaint]", patient.complaint);
  const answer = page.waitForResponse((r) => r.request().method() === "POST" && r.url().endsWith("/registrations"));
  await page.click("form.register button[type=submit]");
  const { registration } = await (await answer).json();
  await page.locator(`li[data-registration="${registration}"]`, { hasText: patient.name }).waitFor({ timeout: 10000 });
  return registration;
}

const rowOfRegistration = (page, registration) => page.locator(`li[data-registration="${registration}"]`);

export async function verifyPhone(page, registration) {
  const before = lastMessage();
  await rowOfRegistration(page, registration).getByRole("button", { name: "验证手机" }).click();
  await page.getByRole("button", { name: "发送验证码" }).click();
  const message = await messageAfter(before, CODE, 40);
  await page.fill("dialog [name=otp]", CODE.exec(message.text)[1]);
  await page.getByRole("button", { name: "核对" }).click();
  await page.locator("dialog .verdict.green").waitFor({ timeout: 40000 });
  await page.getByRole("button", { name: "关闭" }).click();
}

// The slip stays open: its code is shown this once.
export async function makeSlip(page, registration) {
  await rowOfRegistration(page, registration).getByRole("button", { name: /打印检查单/ }).click();
  await page.getByRole("button", { name: "生成取报告码" }).click();
  await page.waitForSelector(".slip-code");
  await page.waitForFunction(() => document.querySelector(".slip img").naturalWidth > 0);
  return page.innerText(".slip-code");
}

export async function attach(page, study, registration) {
  await openDesk(page, "studies");
  const row = page.locator(`li[data-study="${study}"]`);
  await row.waitFor({ timeout: 30000 });
  await row.locator("select").selectOption(registration);
  await row.getByRole("button", { name: "就是此人" }).click();
  await row.locator(".owner").waitFor({ timeout: 10000 });
}

// ---- the patient ----

export async function enterAsPatient(page, code) {
  await page.goto(`${site.patient}/#${code}`);
  await page.waitForSelector("[name=code]");
  must((await page.inputValue("[name=code]")) === code, "the code is not read from the slip's address");
  must(!page.url().includes(code), "the code stays in the address bar");
  const before = lastMessage();
  await page.click("button[type=submit]");
  await page.waitForSelector("[name=otp]");
  const message = await messageAfter(before, CODE);
  await page.fill("[name=otp]", CODE.exec(message.text)[1]);
  await page.click("button[type=submit]");
  await page.waitForSelector(".status");
  return message;
}
