// pages.mjs OUT [NAME...] (reading needs worklist before it) - every page in both languages: axe-core finds nothing serious or critical, by day and by night,
// and nothing is refused by the Content-Security-Policy; a picture of each goes to OUT/NAME.zh.png and OUT/NAME.en.png.
// The site is the one of addresses.env, with the demo's study on it. The exit status says whether all was well.
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { faults, launch, open, paint, PHONE, speak, touching } from "./browser.mjs";
import { enterAsPatient, must, openDesk, register, signIn, site } from "./people.mjs";
import { waitShown } from "./viewer.mjs";

const [out, ...chosen] = process.argv.slice(2);
const WIDE = { width: 1440, height: 860 };
const found = [];
let shown = null; // the read whose images are shown
let given = null; // {study, registration} that a study was given to
let code = process.env.RADPOST_PATIENT_CODE; // of the newest slip

// 128 colours by ffmpeg: the pictures stand in the repository.
function small(path) {
  const raw = `${path}.raw.png`;
  return { raw, done: () => {
    execFileSync("ffmpeg", ["-y", "-loglevel", "error", "-i", raw, "-filter_complex", "split[a][b];[a]palettegen=max_colors=128[p];[b][p]paletteuse=dither=none", path]);
    rmSync(raw);
  } };
}

// Both languages, both themes (but for a page that is always dark).
async function both(page, name, { full = false, themes = ["dark", "light"] } = {}) {
  for (const [language, short] of [["zh-CN", "zh"], ["en", "en"]]) {
    await speak(page, language);
    for (const scheme of themes) {
      await paint(page, scheme);
      found.push(...(await faults(page, `${name}.${short} ${scheme}`)));
    }
    found.push(...(await touching(page, `${name}.${short}`)));
    const picture = small(join(out, `${name}.${short}.png`));
    await page.screenshot({ path: picture.raw, fullPage: full });
    picture.done();
  }
  await speak(page, "zh-CN");
  found.push(...page.complaints.splice(0).map((line) => `${name}: ${line}`));
  console.log(`  ${name}`);
}

async function staff(browser, who, place, ready, viewport = WIDE) {
  const page = await open(browser, { viewport });
  await signIn(page, who);
  await page.goto(`${site.reader}/#${place}`);
  await page.waitForSelector(ready, { timeout: 30000 });
  return page;
}

async function desk(browser, place, ready, who = "DESK") {
  const page = await open(browser, { viewport: { width: 1024, height: 768 } });
  await openDesk(page, place, who);
  await page.waitForSelector(ready, { timeout: 20000 });
  return page;
}

// A button whose work cannot be undone by itself asks first, tells what comes of it, and does nothing when it is left.
async function asks(page, button, told, name) {
  await button.click();
  await page.locator("dialog[open]", { hasText: told }).waitFor();
  for (const scheme of ["dark", "light"]) {
    await paint(page, scheme);
    found.push(...(await faults(page, `${name} ${scheme}`)));
  }
  await page.locator("dialog[open] button").last().click();
  await page.waitForSelector("dialog[open]", { state: "detached" });
}

// Until the centre knows all that the desk did; poll, for the desk tells it in its state only.
async function told(page) {
  const until = Date.now() + 20000;
  for (;;) {
    const { registrations } = await (await page.request.get(`${site.desk}/desk/v1/state`)).json();
    if (registrations.every((r) => r.is_told)) return;
    must(Date.now() < until, "the desk's messages do not reach the centre");
    await new Promise((done) => setTimeout(done, 200));
  }
}

async function lacking(page, where, change) {
  await page.route(where, async (route) => {
    const response = await route.fetch().catch(() => null); // a poll that its page did not outlive
    if (!response) return;
    if (!response.ok() || !/json/.test(response.headers()["content-type"] ?? "")) return route.fulfill({ response });
    const json = await response.json();
    change(json);
    return route.fulfill({ response, json });
  });
}

// A dialog covers the switch of language: it is closed for that.
async function asked(page, name, button, { themes = ["dark", "light"] } = {}) {
  for (const language of ["en", "zh-CN"]) {
    await speak(page, language);
    await button().click({ timeout: 30000 });
    await page.waitForSelector("dialog[open]");
    for (const scheme of themes) {
      await paint(page, scheme);
      found.push(...(await faults(page, `${name} ${language} ${scheme}`)));
    }
    const picture = small(join(out, `${name}.${language.slice(0, 2)}.png`));
    await page.screenshot({ path: picture.raw });
    picture.done();
    await page.keyboard.press("Escape");
    await page.waitForSelector("dialog[open]", { state: "detached" });
  }
  await page.unrouteAll({ behavior: "ignoreErrors" });
  found.push(...page.complaints.splice(0).map((line) => `${name}: ${line}`));
  console.log(`  ${name}`);
}

// Half of it at least, and nothing lies over its middle.
const isInSight = (page, part) => page.locator(part).evaluate((e) => {
  const box = e.getBoundingClientRect();
  const at = document.elementFromPoint((box.left + box.right) / 2, (box.top + box.bottom) / 2);
  return at !== null && (e === at || e.contains(at));
});

// On the narrowest phone: nothing is cut off at the side, no table either.
async function fits(page, name) {
  await page.setViewportSize({ width: 375, height: 812 });
  const wide = await page.evaluate(() => [document.documentElement, ...document.querySelectorAll(".scroll")].filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.getAttribute("aria-label") ?? "the page"));
  found.push(...wide.map((what) => `${name} on a phone: ${what} is cut off`));
}

const PAGES = {
  async login(browser) {
    const page = await open(browser, { viewport: { width: 900, height: 620 } });
    await page.goto(site.reader);
    await page.waitForSelector("form.narrow");
    await both(page, "login");
    await page.goto(`${site.reader}/#/first-admin`);
    await page.waitForSelector("[name=code]");
    await both(page, "first-admin");
  },
  async worklist(browser) {
    const page = await staff(browser, "DOCTOR", "/worklist", "header.bar");
    await page.selectOption("select[name=show]", "all");
    await page.waitForSelector("table.reads tbody tr");
    await both(page, "worklist");
    shown = await page.locator("tr[data-read]", { hasText: "CT" }).first().getAttribute("data-read");
    await page.setViewportSize(PHONE);
    for (const scheme of ["dark", "light"]) {
      await paint(page, scheme);
      found.push(...(await faults(page, `worklist, narrow ${scheme}`)));
    }
    await fits(page, "worklist");
  },
  async reading(browser) {
    must(shown, "there is no CT on the worklist");
    const page = await staff(browser, "DOCTOR", `/reads/${shown}`, "main.reading");
    await waitShown(page, { timeout: 90000 });
    await both(page, "reading", { themes: ["dark"] });
  },
  // A further person's images came under the doctor's eyes: the server refuses the word, the page asks for another look. What
  // the clinic says is put into the answers here; the refusal is the server's own.
  async "reading-doubts"(browser) {
    must(shown, "there is no CT on the worklist");
    const page = await open(browser, { viewport: WIDE });
    await signIn(page, "DOCTOR");
    const doubt = { doubts: ["uid_reused"], doubts_revision: 1, has_open_doubts: true };
    const answer = (more) => async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, json: { ...(await response.json()), ...more } });
    };
    await page.route(`**/api/v1/reads/${shown}`, answer(doubt));
    await page.route(`**/api/v1/reads/${shown}/report`, answer({ may: { review: true } }));
    await page.goto(`${site.reader}/#/reads/${shown}`);
    await page.click(".doubts summary", { timeout: 90000 });
    await page.fill("#doubts-reason", "已与诊所核对两人");
    await page.click(".doubts summary");
    await page.setViewportSize({ width: 1366, height: 768 });
    for (const part of ["textarea[name=findings]", "textarea[name=impression]", "button[name=sign]", "#step-why"])
      must(await isInSight(page, part), `${part} is not in sight of who reviews`);
    must(await page.isDisabled("button[name=sign]"), "a doubt does not hold the signature");
    await page.setViewportSize(WIDE);
    await page.click(".doubts summary");
    doubt.doubts_revision = 2;
    await page.locator(".doubts").getByRole("button", { name: "确认" }).click();
    await page.getByText("请重新核对影像").waitFor();
    await both(page, "reading-doubts", { themes: ["dark"] });
    await page.getByRole("button", { name: "我已重新核对" }).click();
    must((await page.inputValue("#doubts-reason")) === "", "the reason for two people stands for three");
    found.push(...page.complaints);
  },
  async admin(browser) {
    const page = await staff(browser, "ADMIN", "/admin", ".admin tbody");
    await page.waitForLoadState("networkidle").catch(() => null);
    await both(page, "admin", { full: true });
    await page.getByRole("button", { name: "新建账号" }).click();
    await page.waitForSelector("dialog[open]");
    for (const scheme of ["dark", "light"]) {
      await paint(page, scheme);
      found.push(...(await faults(page, `new account ${scheme}`)));
    }
    await fits(page, "admin");
  },
  async supervision(browser) {
    const page = await staff(browser, "SUPERVISOR", "/supervision", ".board");
    await page.waitForSelector("h2 >> nth=-1");
    await both(page, "supervision", { full: false });
    await fits(page, "supervision");
  },
  // Ordered here, the desk has it, taken back.
  async orders(browser) {
    const page = await staff(browser, "DOCTOR", "/orders", "form.order");
    await page.fill("[name=patient]", "罗成");
    await page.fill("[name=citizen_id]", "11010519491231002X");
    await page.selectOption("[name=modality]", "CT");
    await page.fill("[name=description]", "胸部平扫");
    await page.getByRole("button", { name: "发给诊所" }).click();
    await page.locator("tbody tr", { hasText: "罗成" }).first().waitFor();
    await both(page, "orders", { full: true });
    const at = await desk(browser, "orders", "h2#orders");
    await at.getByText("罗成").first().waitFor({ timeout: 20000 });
    await page.getByRole("button", { name: "撤回" }).first().click();
    await page.getByText("已撤回").first().waitFor();
    found.push(...page.complaints, ...at.complaints);
  },
  async account(browser) {
    await both(await staff(browser, "TECH", "/account", ".narrow", { width: 900, height: 620 }), "account");
  },
  async "desk-login"(browser) {
    const page = await open(browser, { viewport: { width: 1024, height: 768 } });
    await page.goto(`${site.desk}/#/`);
    await page.waitForSelector("form.door");
    await both(page, "desk-login");
    await page.goto(`${site.desk}/#/code`);
    await page.waitForSelector("[name=code]");
    await both(page, "desk-code");
  },
  async "desk-account"(browser) {
    const page = await desk(browser, "account", "li[data-login]", "DESK_ADMIN");
    await both(page, "desk-account");
    const row = page.locator("li[data-login=desk]");
    await asks(page, row.getByRole("button", { name: "停用" }), "立即退出", "desk-account, to disable");
    await asks(page, row.getByRole("button", { name: "重设密码" }), "立即作废", "desk-account, to reset");
    must(await row.getByRole("button", { name: "停用" }).isVisible(), "an account is disabled without an answer");
  },
  async "desk-studies"(browser) {
    await both(await desk(browser, "studies", ".study"), "desk-studies");
  },
  async "desk-register"(browser) {
    const page = await desk(browser, "register", "form.register");
    await both(page, "desk-register");
    await page.check("[name=urgent]");
    await page.click("form.register button[type=submit]");
    await page.waitForSelector("[name=urgent_reason][aria-invalid]");
    found.push(...(await faults(page, "desk-register with faults")));
  },
  async "desk-slip"(browser) {
    const page = await desk(browser, "register", "li[data-registration]");
    const again = async () => {
      if (await page.$("dialog[open]")) return;
      await page.locator("li[data-registration]").last().locator(".may button").first().click();
      await page.waitForSelector("dialog[open]");
    };
    // A dialog covers the switch of language: it is closed for that.
    for (const language of ["zh-CN", "en"]) {
      await speak(page, language);
      await again();
      await page.locator("dialog .primary").click();
      await page.waitForSelector(".slip-code");
      code = await page.innerText(".slip-code");
      for (const scheme of ["dark", "light"]) {
        await paint(page, scheme);
        found.push(...(await faults(page, `desk-slip ${language} ${scheme}`)));
      }
      const picture = small(join(out, `desk-slip.${language.slice(0, 2)}.png`));
      await page.locator("dialog").screenshot({ path: picture.raw });
      picture.done();
      await page.locator("dialog .quick button").last().click();
      await page.waitForSelector("dialog[open]", { state: "detached" });
    }
    await told(page);
    console.log("  desk-slip");
  },
  async "desk-reports"(browser) {
    await both(await desk(browser, "reports", "h2#reports"), "desk-reports");
  },
  async "desk-orders"(browser) {
    const page = await desk(browser, "orders", "h2#orders");
    const fold = page.locator("section[aria-labelledby=orders] details");
    await page.locator("[data-order]").first().waitFor({ state: "attached" });
    if (await fold.count()) await fold.locator("summary").click(); // the demo's images came a while ago
    await both(page, "desk-orders");
    const find = async (text) => {
      await page.fill("[name=find]", text);
      await page.press("[name=find]", "Enter");
    };
    const name = await page.locator("[data-order] .what b").first().innerText();
    await find("查无此人");
    await page.getByText("没有找到。").waitFor();
    await find(name);
    await page.locator("[data-order]", { hasText: name }).first().waitFor();
    await page.getByText(/^第 1–\d+ 项,共 \d+ 项$|^第 1–\d+ 项，共 \d+ 项$/).waitFor();
    found.push(...(await faults(page, "desk-orders, found")), ...page.complaints);
    await lacking(page, "**/desk/v1/state*", (state) => state.orders.forEach((o) => (o.is_offered = false)));
    await page.reload();
    await fold.locator("[data-order]").first().waitFor({ state: "attached" });
    must((await page.locator("[data-order]:visible").count()) === 0, "what no device is shown is listed as its worklist");
    await page.unrouteAll({ behavior: "ignoreErrors" });
  },
  async "desk-calls"(browser) {
    await both(await desk(browser, "calls", "h2#calls"), "desk-calls");
  },
  async "desk-doubts"(browser) {
    await both(await desk(browser, "doubts", "h2#doubts"), "desk-doubts");
  },
  async "desk-imports"(browser) {
    await both(await desk(browser, "imports", "h2#imports"), "desk-imports");
  },
  async "desk-devices"(browser) {
    const page = await desk(browser, "devices", "li[data-device]", "ENGINEER");
    must(!(await page.$("li[data-registration], .owner")), "the service engineer sees a patient");
    await both(page, "desk-devices");
    await page.locator("li[data-device] .may button").first().click();
    await asks(page, page.locator("dialog[open]").getByRole("button", { name: "删除这台设备" }), "再发图会被拒绝", "desk-devices, to remove");
    must(await page.$("li[data-device]"), "a device is removed without an answer");
  },
  // The demo's study came whole: its pages are told that it lacks two images, and nothing is said.
  async "desk-absent"(browser) {
    const page = await open(browser, { viewport: { width: 1024, height: 768 } });
    await lacking(page, "**/desk/v1/state*", (state) => state.studies.forEach((s) => Object.assign(s, { missing: 2, is_safe_to_delete: false, word: "held", is_closed: false })));
    await openDesk(page, "studies", "DESK");
    await asked(page, "desk-absent", () => page.getByRole("button", { name: /其余不会再来|The rest will not come/ }).first());
  },
  async "reading-gone"(browser) {
    must(shown, "there is no CT on the worklist");
    const page = await open(browser, { viewport: WIDE });
    await lacking(page, "**/preview/studies/*", (preview) => (preview.missing = 2));
    await lacking(page, "**/api/v1/reads/*/report", (report) => (report.may.write = true));
    await signIn(page, "DOCTOR");
    await page.goto(`${site.reader}/#/reads/${shown}`);
    await page.click("details.missing summary", { timeout: 90000 });
    await asked(page, "reading-gone", () => page.locator("button[name=gone]"), { themes: ["dark"] });
  },
  // What a technician and an engineer press, once.
  async "desk-works"(browser) {
    const page = await desk(browser, "studies", ".study");
    await page.getByRole("button", { name: "废片" }).first().click();
    await page.selectOption("dialog [name=reason]", "motion");
    await page.getByRole("button", { name: "记下" }).click();
    await page.getByText("近一个月废片").waitFor();
    const other = await desk(browser, "devices", "li[data-device]", "ENGINEER");
    await other.getByRole("button", { name: "打开 30 分钟" }).click();
    await other.getByText("装机窗口开着").waitFor();
    await other.getByRole("button", { name: "现在关闭" }).click();
    await other.getByText("装机窗口已关闭").waitFor();
    found.push(...page.complaints, ...other.complaints);
  },
  // Everything of the desk on a phone: nothing wider than the screen, nothing too small for a thumb.
  async "desk-phone"(browser) {
    const page = await open(browser, { viewport: PHONE, isPhone: true });
    await openDesk(page, "studies", "DESK_ADMIN");
    for (const place of ["studies", "register", "orders", "reports", "calls", "doubts", "imports", "devices", "account"]) {
      await page.goto(`${site.desk}/#/${place}`);
      await page.waitForSelector("main h2");
      if (place === "register") await page.check("[name=urgent]");
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - screen.width);
      if (wide > 0) found.push(`desk ${place} on a phone: ${wide} px too wide`);
      const small = await page.$$eval("button, select, input:not([type=checkbox]), a.button, .tabs a", (all) => all.filter((e) => e.offsetParent && e.getBoundingClientRect().height < 43.5).map((e) => e.outerHTML.slice(0, 80)));
      found.push(...small.map((e) => `desk ${place} on a phone: too small for a thumb: ${e}`));
      if (place === "studies") {
        await both(page, "desk-phone");
        const { height } = await page.locator(".tabs").boundingBox();
        if (height > 100) found.push(`desk on a phone: the tabs take ${height} px`);
      }
      else found.push(...(await faults(page, `desk ${place} on a phone`)));
    }
  },
  async "patient-enter"(browser) {
    const page = await open(browser, { viewport: PHONE, isPhone: true });
    await page.goto(site.patient);
    await page.waitForSelector("[name=code]");
    await both(page, "patient-enter");
  },
  async "patient-report"(browser) {
    must(code, "there is no slip");
    const page = await open(browser, { viewport: PHONE, isPhone: true });
    await enterAsPatient(page, code);
    await page.waitForSelector("article.report");
    await page.waitForFunction(() => document.querySelector(".stage img")?.naturalWidth > 0, null, { timeout: 20000 });
    await both(page, "patient-report", { full: true });
    const verify = await page.getAttribute(".seal a", "href");
    await page.goto(new URL(verify, site.patient).href);
    await page.waitForSelector(".verdict");
    await both(page, "verify");
    await page.goto(`${site.patient}/v/AAAAAAAAAAAAAAAAAAAAAAAAAA`);
    await page.waitForSelector(".verdict.bad");
    await both(page, "verify-unknown");
  },
  // Two people correct one registration: who comes second is shown what the first wrote, and takes nothing back.
  async "desk-correct"(browser) {
    const page = await desk(browser, "register", "li[data-registration]");
    const other = await desk(browser, "register", "li[data-registration]");
    const corrects = async (on) => {
      await on.locator("li[data-registration]").last().getByRole("button", { name: /更正|Correct/ }).click();
      await on.waitForSelector("dialog [name=correct-phone]");
    };
    for (const [language, phone] of [["en", "13900139001"], ["zh-CN", "13900139002"]]) {
      await speak(page, language);
      await corrects(page);
      await corrects(other);
      await other.fill("dialog [name=correct-phone]", phone);
      await other.locator("dialog .primary").click();
      await other.waitForSelector("dialog[open]", { state: "detached" });
      await page.locator("dialog .primary").click();
      await page.waitForSelector("dialog [role=alert]");
      must((await page.inputValue("dialog [name=correct-phone]")) === phone, "what the other one wrote is not shown");
      for (const scheme of ["dark", "light"]) {
        await paint(page, scheme);
        found.push(...(await faults(page, `desk-correct ${language} ${scheme}`)));
      }
      await page.locator("dialog .quick button").last().click();
      await page.waitForSelector("dialog[open]", { state: "detached" });
    }
    found.push(...page.complaints.splice(0));
    console.log("  desk-correct");
  },
  // Two people answer "A or B?": whose dialog is open sees what the other said, and cannot press over it.
  async "desk-a-or-b"(browser) {
    const page = await open(browser, { viewport: PHONE, isPhone: true });
    const person = (name) => ({ study: "1.2.3", patient_id: "P1", name, sex: "F", birth: "19800101" });
    const asked = { n: 1, first: { ...person("演示患者"), came_at_us: Date.now() * 1000 - 36e8 }, second: { ...person("Zhao^Liu"), came_at_us: Date.now() * 1000 }, asked_at_us: Date.now() * 1000, answer: "", answered_by: "", answered_at_us: 0, images: 2 };
    await lacking(page, "**/desk/v1/state*", (state) => {
      state.corrections = [{ ...asked }];
    });
    await openDesk(page, "doubts", "DESK");
    await both(page, "desk-a-or-b", { full: true });
    for (const language of ["en", "zh-CN"]) {
      Object.assign(asked, { answer: "", answered_by: "" });
      await page.reload();
      await speak(page, language);
      await page.locator(".which .may button").last().click();
      await page.locator("dialog .quick button:enabled").first().waitFor();
      Object.assign(asked, { answer: "first", answered_by: "李医生" });
      await page.locator("dialog [role=alert]", { hasText: "李医生" }).waitFor({ timeout: 20000 });
      must(await page.locator("dialog .primary").isDisabled(), "one can answer over another without a look at it");
      for (const scheme of ["dark", "light"]) {
        await paint(page, scheme);
        found.push(...(await faults(page, `desk-a-or-b answered ${language} ${scheme}`)));
      }
      await page.keyboard.press("Escape");
    }
    await page.unrouteAll({ behavior: "ignoreErrors" });
    found.push(...page.complaints);
  },
  // The lamps of tables and certificates that somebody mistyped: all of them at once, and nothing wider than the screen.
  async "desk-tables"(browser) {
    for (const [size, viewport] of [["desk-tables", { width: 1024, height: 768 }], ["desk-tables-phone", PHONE]]) {
      const page = await open(browser, { viewport, isPhone: viewport === PHONE });
      await lacking(page, "**/desk/v1/state*", (state) => {
        Object.assign(state.lamps.devices, { word: "DEVICES_TABLE", colour: "red", trouble: "devices.conf: line 2: DR1: unknown setting modalty (a name that holds = stands in quotes)" });
        state.lamps.targets = { word: "TARGETS_TABLE", colour: "red", trouble: "line 2: xa: unknown setting conections" };
        state.lamps.parts = { word: "PARTS_AWAY", colour: "red", parts: ["conf", "dicom_tls", "hl7", "his", "import", "import_start", "commit", "audit"].map((part) => ({ part, trouble: "/etc/radpost/gateway.conf:12: desk_tsl: there is no such option" })) };
        Object.assign(state.lamps.line, { word: "LINE_PROXY", colour: "red", waiting: 12, is_table_wrong: true });
        Object.assign(state.lamps.certificate, { word: "CERTIFICATE_STAYS", colour: "amber", of: "hl7" });
      });
      await openDesk(page, "studies", "DESK");
      await page.getByText("unknown setting conections").waitFor();
      must((await page.evaluate(() => document.documentElement.scrollWidth - screen.width)) <= 0, "a lamp is wider than the screen");
      await both(page, size);
      await page.unrouteAll({ behavior: "ignoreErrors" });
      found.push(...page.complaints);
    }
  },
  // Last, as the other pages are of a day without it: what was put aside is thrown away with a reason, asked twice, and taken back.
  async "desk-aside"(browser) {
    execFileSync("bash", ["-c", process.env.RADPOST_PUT_ASIDE]);
    const technician = await desk(browser, "doubts", "li[data-aside] [data-who]");
    must((await technician.innerText("li[data-aside] [data-who]")).includes("DEMO-000001"), "it is not said whose is put aside");
    await technician.context().close();
    const page = await desk(browser, "doubts", "li[data-aside]", "DESK_ADMIN");
    for (const language of ["en", "zh-CN"]) {
      await speak(page, language);
      await page.locator("li[data-aside] button").first().click();
      await page.selectOption("dialog [name=discard-reason]", "artefact");
      await page.locator("dialog button.primary").click();
      await page.waitForSelector("dialog button.danger");
      for (const scheme of ["dark", "light"]) {
        await paint(page, scheme);
        found.push(...(await faults(page, `desk-aside ${language} ${scheme}`)));
      }
      const picture = small(join(out, `desk-aside.${language.slice(0, 2)}.png`));
      await page.screenshot({ path: picture.raw });
      picture.done();
      if (language === "en") await page.keyboard.press("Escape");
    }
    console.log("  desk-aside");
    await page.locator("dialog button.danger").click();
    await page.locator("details:has(li[data-discarded]) summary").click();
    found.push(...(await faults(page, "desk-aside discarded")));
    await page.locator("li[data-discarded] button").click();
    await page.waitForSelector("li[data-aside]");
    found.push(...page.complaints);
  },
  // The demo's HIS is never refused: its page is told of what another one would be.
  async "desk-hl7"(browser) {
    const page = await open(browser, { viewport: PHONE, isPhone: true });
    const one = { peer: "10.0.0.9", answer: "AE", place: "ORC^1^1", why: "ORC-1: this order control is not done here", is_seen: false, first_us: Date.now() * 1000, at_us: Date.now() * 1000, times: 1 };
    await lacking(page, "**/desk/v1/state*", (state) => {
      state.hl7_refused = [{ ...one, n: 1, error: "103", is_order: true }, { ...one, n: 2, answer: "AR", error: "200", place: "MSH^1^9", why: "MSH-9: ORM^O01, OMG^O19 or OMI^O23 is taken, nothing else", is_order: false, times: 12 }];
      state.hl7_placers = [{ n: 1, placer: "4711" }];
      state.lamps.his_orders = { word: "ORDERS_HL7", colour: "red", hl7_orders: 1, hl7_others: 1 };
    });
    await openDesk(page, "orders", "DESK");
    await page.locator("[data-hl7]", { hasText: "4711" }).waitFor();
    await page.locator("h2#hl7").scrollIntoViewIfNeeded();
    must((await page.evaluate(() => document.documentElement.scrollWidth - screen.width)) <= 0, "what was refused is wider than a phone");
    await both(page, "desk-hl7");
    await page.unrouteAll({ behavior: "ignoreErrors" });
  },
  // Why a study waits, and what to do, in one sentence each; on a phone.
  async "desk-why"(browser) {
    const page = await open(browser, { viewport: PHONE, isPhone: true });
    const number = await register(page, { name: "钱一", sex: "M", birth: "1970-07-07", modality: "CT", complaint: "咳嗽" });
    execFileSync("bash", ["-c", `${process.env.RADPOST_SEND_ODD} ${number}`]);
    for (const [place, ready] of [["studies", ".study"], ["doubts", "h2#doubts"]]) {
      await page.goto(`${site.desk}/#/${place}`);
      await page.waitForSelector(ready);
      await page.waitForSelector("[data-why=no_number]", { timeout: 30000 });
      if (place === "studies") {
        await page.locator("[data-why=sex]", { hasText: "钱一" }).first().waitFor({ timeout: 30000 });
        const safe = page.locator(".study.amber", { has: page.locator("[data-why=no_number]") }).filter({ has: page.locator(".verdict.green") });
        await safe.getByText("报告等待核对").first().waitFor({ timeout: 60000 }); // one place to say what may be deleted, and no green bar over a report that waits
      } else {
        must(!/请勿(在设备上)?删除/.test(await page.innerText("section[aria-labelledby=doubts]")), "the two lists say different things about deleting");
      }
      await page.locator("[data-why]").first().scrollIntoViewIfNeeded();
      must((await page.evaluate(() => document.documentElement.scrollWidth - screen.width)) <= 0, "the reason is wider than a phone");
      await both(page, `desk-why-${place}`);
    }
  },
  // Two people of one name: each list tells them apart, and a study that was given to the wrong one is given to the right one.
  async "desk-whose"(browser) {
    const page = await open(browser, { viewport: { width: 1024, height: 768 } });
    const made = [];
    for (const birth of ["1970-03-03", "1970-09-02"]) made.push(await register(page, { name: "王伟", sex: "M", birth, modality: "CT", complaint: "咳嗽" }));
    execFileSync("bash", ["-c", `${process.env.RADPOST_SEND_ODD} ${made[0]}`]);
    await page.goto(`${site.desk}/#/studies`);
    const nobodys = page.locator(".study", { has: page.locator("[data-why=no_number]") }).first();
    await nobodys.waitFor({ timeout: 30000 });
    const study = await nobodys.getAttribute("data-study");
    const row = page.locator(`[data-study="${study}"]`);
    const options = await row.locator("option").allInnerTexts();
    must(new Set(options).size === options.length, `two people look the same: ${options}`);
    await row.locator("select").selectOption(made[0]);
    await row.getByRole("button", { name: "就是此人" }).click();
    await row.locator(".owner", { hasText: made[0] }).waitFor();
    await asked(page, "desk-move", () => row.getByRole("button", { name: /归错了|Wrong patient/ }));
    await row.getByRole("button", { name: "归错了" }).click();
    await page.locator("dialog dd", { hasText: made[0] }).waitFor();
    await page.selectOption("dialog [name=move]", made[1]);
    await page.locator("dialog dd", { hasText: made[1] }).waitFor();
    await page.locator("dialog .danger").click();
    await row.locator(".owner", { hasText: made[1] }).waitFor();
    await page.goto(`${site.desk}/#/register`);
    await page.locator(`li[data-registration="${made[0]}"]`, { hasText: "图像还没有到" }).waitFor();
    await lacking(page, "**/desk/v1/state*", (state) => { // an older owner is its number, and its report was signed
      state.registrations = state.registrations.filter((r) => r.registration !== made[1]);
      state.studies.find((s) => s.study === study).read_state = "signed";
    });
    await page.goto(`${site.desk}/#/studies`);
    await page.reload();
    await row.locator(".owner", { hasText: "报告已签发" }).getByRole("button", { name: "归错了" }).click();
    await page.locator("dialog [role=alert]", { hasText: "报告已经发出" }).waitFor();
    await page.unrouteAll({ behavior: "ignoreErrors" });
    given = { study, registration: made[1] };
    found.push(...page.complaints);
  },
  // A study that is at the centre becomes an emergency in its row; in the patient's it is taken back, and raised again.
  async "desk-stat"(browser) {
    must(given, "no study was given to anybody");
    const page = await desk(browser, "studies", ".study");
    const press = async (row, name) => {
      await row.getByRole("button", { name }).click({ timeout: 10000 });
      await page.fill("dialog [name=reason]", name);
      await page.locator("dialog .danger").click();
      await row.getByRole("button", { name: name === "标为急诊" ? "取消急诊" : "标为急诊" }).waitFor({ timeout: 10000 });
    };
    const row = page.locator(`[data-study="${given.study}"]`);
    await row.locator(".verdict.green").waitFor({ timeout: 60000 });
    await press(row, "标为急诊");
    await page.goto(`${site.desk}/#/register`);
    const patient = page.locator(`li[data-registration="${given.registration}"]`);
    await press(patient, "取消急诊");
    await press(patient, "标为急诊");
    await page.goto(`${site.desk}/#/studies`);
    await press(row, "取消急诊");
    await page.goto(`${site.desk}/#/register`); // what is to come still was one; of whom no image came it is taken back, too
    await press(patient, "取消急诊");
    const imageless = page.locator("li[data-registration]", { hasText: "图像还没有到" }).first();
    await press(imageless, "标为急诊");
    await press(imageless, "取消急诊");
    found.push(...page.complaints);
  },
  // An old screen on an ordinary day: a whole study is on it beside lamps and banners, a call is seen wherever one has scrolled
  // to, and a page begins at its beginning.
  async "desk-small"(browser) {
    const page = await open(browser, { viewport: { width: 1024, height: 768 } });
    await lacking(page, "**/desk/v1/state*", (state) => {
      Object.assign(state, { sounding: 1, set_aside: 2, studies: [...state.studies, ...state.studies.map((s) => ({ ...s, study: `${s.study}.1` }))] });
      state.lamps.devices = { ...state.lamps.devices, word: "DEVICES_REFUSED", colour: "amber", refused: 1 };
    });
    await openDesk(page, "studies", "DESK_ADMIN");
    const first = await page.locator(".study").first().boundingBox();
    must(first.y < 460 && first.y + first.height <= 768, `the first study lies at ${first.y} to ${first.y + first.height}`);
    await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
    const call = await page.locator(".alarm").boundingBox();
    must(call.y >= 0 && call.y < 768, `the call is at ${call.y}`);
    await page.locator(".tabs a[href='#/register']").evaluate((link) => link.click());
    await page.waitForSelector("form.register");
    must((await page.evaluate(() => scrollY)) === 0, "another page begins in its middle");
    await both(page, "desk-small");
    await page.unrouteAll({ behavior: "ignoreErrors" });
  },
  // What is being typed waits while one looks elsewhere; the same once more is asked about; a wrong kind of examination is put
  // right, and the images find their patient by that; and on another day they are still here.
  async "desk-typed"(browser) {
    const page = await desk(browser, "register", "form.register");
    const type = async () => {
      await page.fill("[name=name]", "孙六");
      await page.fill("[name=citizen_id]", "110101199003077512");
      await page.selectOption("[name=modality]", "DX");
      await page.fill("[name=complaint]", "咳嗽");
    };
    await type();
    await page.locator(".tabs a[href='#/calls']").click();
    await page.locator("h2#calls").waitFor();
    await page.locator(".tabs a[href='#/register']").click();
    must((await page.inputValue("form.register [name=name]")) === "孙六", "what was typed is gone with a look at another page");
    await page.click("form.register button[type=submit]");
    const rows = page.locator("li[data-registration]", { hasText: "孙六" });
    await rows.first().waitFor();
    await type();
    await page.click("form.register button[type=submit]");
    await page.locator("dialog", { hasText: "已经登记过" }).waitFor();
    found.push(...(await faults(page, "desk-typed, once more")));
    await page.locator("dialog .quick button").last().click();
    must((await rows.count()) === 1, "the same is registered twice without an answer");
    await rows.first().getByRole("button", { name: "更正" }).click();
    await page.selectOption("dialog [name=correct-modality]", "CT");
    await page.fill("dialog [name=correct-complaint]", "胸痛");
    await page.locator("dialog .primary").click();
    await rows.first().getByText("CT · 胸痛").waitFor();
    await lacking(page, "**/desk/v1/state*", (state) => {
      state.registrations.find((r) => r.name === "孙六").study = "1.2.3.4";
    });
    await page.reload();
    await rows.first().getByText("图像已到").waitFor();
    await page.unrouteAll({ behavior: "ignoreErrors" });
    found.push(...page.complaints);
  },
  // The engineer is led nowhere that an engineer may not go; what is to be sent again is told as it is found at the device; and a
  // wrong clock is said before the administrator is called. The demo has no such day: its pages are told of one.
  async "desk-trouble"(browser) {
    const page = await open(browser, { viewport: { width: 1024, height: 768 } });
    await lacking(page, "**/desk/v1/state*", (state) => {
      const one = { ae: "OLD_US", status: "A700", last_us: 1795305600e6 };
      Object.assign(state, { set_aside: 2, reader: { ...state.reader, word: "refused" },
        unsent: [{ ...one, instance: "1.2.1" }, { ...one, instance: "1.2.2" }, { ...one, instance: "1.2.3", last_us: one.last_us + 3600e6 }] });
      state.lamps.clock = { colour: "red", word: "CLOCK_AHEAD", here_us: one.last_us };
    });
    await openDesk(page, "devices", "ENGINEER");
    await page.locator("section[aria-labelledby=unsent] .row").nth(1).waitFor();
    must((await page.locator("section[aria-labelledby=unsent] .row").count()) === 2, "images of one minute stand apart");
    const banners = (await page.locator(".old[role=alert]").allInnerTexts()).join();
    must(!/待核对/.test(banners), "the engineer is sent to a page that engineers have not");
    must(/先看本机时钟/.test(banners), "the centre's refusal does not name the clock");
    await both(page, "desk-trouble");
    await page.unrouteAll({ behavior: "ignoreErrors" });
  },
  // What was pressed away, and what went to the wrong patient, waits again; it says whose it became.
  async "desk-files"(browser) {
    const page = await desk(browser, "imports", "h2#imports");
    const names = ["first", "second"].map((word) => `${word}-${Date.now()}.pdf`);
    for (const name of names) writeFileSync(join(process.env.RADPOST_IMPORT_DROP, name), `%PDF-1.4\n%${name}\ntrailer<</Root 1 0 R>>\nstartxref\n9\n%%EOF\n`);
    const [thrown, given] = names.map((name) => page.locator("[data-import]", { hasText: name }));
    const [wasThrown, wasGiven] = names.map((name) => page.locator("[data-done]", { hasText: name }));
    await given.waitFor({ timeout: 60000 });
    await thrown.getByRole("button", { name: "不要了" }).click({ timeout: 60000 });
    await page.fill("dialog [name=reason]", "按错了");
    await page.locator("dialog .danger").click();
    const [one, other] = await given.locator("optgroup option").evaluateAll((all) => all.map((o) => o.value));
    await given.locator("select").selectOption(one);
    await given.getByRole("button", { name: "就是此人" }).click();
    await page.locator("details:has([data-done]) summary").click();
    await wasThrown.getByText("按错了").waitFor();
    await wasGiven.getByText(one).waitFor();
    await both(page, "desk-files");
    await wasGiven.getByRole("button", { name: "归错了" }).click();
    await page.locator("dialog", { hasText: one }).locator(".danger").click();
    await given.locator("select").selectOption(other);
    await given.getByRole("button", { name: "就是此人" }).click();
    await wasGiven.getByText(other).waitFor();
    await wasThrown.getByRole("button", { name: "放回收件箱" }).click();
    await thrown.waitFor();
    found.push(...page.complaints);
  },
};

mkdirSync(out, { recursive: true });
const browser = await launch();
let failed = "";
for (const [name, take] of Object.entries(PAGES)) {
  if (chosen.length > 0 && !chosen.includes(name)) continue;
  try {
    await take(browser);
  } catch (error) {
    failed = `${name}: ${error.message}`;
    break;
  }
  for (const context of browser.contexts()) await context.close();
}
await browser.close();
for (const line of found) console.error(line);
if (failed) console.error(failed);
process.exit(failed || found.length > 0 ? 1 : 0);
